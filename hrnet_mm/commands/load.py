"""``hrnet_mm.load``: a model from a config and its weights, ready to be called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrnet_mm.base.garbage import uncollected

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import device as Device

    from hrnet_mm.base.boxes import BoxesOf
    from hrnet_mm.predict.detector import Detector
    from hrnet_mm.predict.model import Model
    from hrnet_mm.predict.predictor import Predictor


@uncollected()
def load(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    *,
    device: str | Device | None = None,
    fast: str | bool | None = None,
    detector: Model | Detector | tuple[Any, Any] | str | Path | None = None,
    det_class: str = 'person',
    det_score_thr: float = 0.3,
    batch_size: int | None = None,
    score_thr: float | None = None,
    cfg_options: dict[str, Any] | None = None,
    trust: bool = False,
    takeover: bool = False,
) -> Model:
    """Load a model of any task; docs/python.md shows what it can be called with.

    Args:
        config: a name of ours, ``'hrnet_w32_coco_256x192'``; a path; ``'hrnet_mm::...'`` or a
            host's, ``'mmpose::...'``; or a config that is read already.
        checkpoint: the weights: a file, a folder of ``save_pretrained``, a URL,
            ``'open-mmlab://NAME'``, ``'hf-hub:OWNER/NAME'``, or a file that tools/export.py wrote.
            Default: those that the hosts have published for the config, if there are any; they are
            downloaded once.
        device: ``'cpu'``, ``'cuda:1'``. Default: the first GPU if there is one.
        fast: the precision in which an engine of ``hrnet_mm.deploy`` runs backbone and neck; True
            for ``'fp32'``.
        detector: finds the boxes of a top-down pose model: a loaded detection model, a pair of
            config and checkpoint, or a config whose weights are published.
        det_class: the class whose boxes the detector gives.
        det_score_thr: no box that scores less is taken.
        batch_size: images, or boxes, in one forward pass. Default: 8, and 1 for detection,
            segmentation and bottom-up pose.
        score_thr: what scores less is not drawn. Default: 0.3, and 0 for classes of images.
        cfg_options: changes to the config, by dotted keys.
        trust: run what checkpoints, the detector's too, or a .pt2 file ask to be run.
        takeover: put our HRNet in the place of the hosts', from now on in this process.

    Raises:
        UserError: naming what is wrong with an argument or a file.

    Example:
        >>> pose = hrnet_mm.load('hrnet_w32_coco_256x192', 'pose.pth')
        >>> pose('photo.jpg').keypoints.shape
        (1, 17, 2)
    """
    # Imported late: the hosts take seconds, and `import hrnet_mm` is to take none.
    import hrnet_mm.compat  # noqa: F401  (fixes and stand-ins, before a host is imported)
    from hrnet_mm.base.config import read_config
    from hrnet_mm.commands.from_arguments import find_device, take_over
    from hrnet_mm.predict.model import Model
    from hrnet_mm.weights.trust import trusting

    cfg = read_config(config, cfg_options)
    if takeover:
        take_over(cfg)
    where = find_device(None if device is None else str(device))
    precision = 'fp32' if fast is True else fast or None
    with trusting(trust):
        predictor = _predictor(cfg, checkpoint, precision, where, batch_size)
        boxes_of = None
        if detector is not None:
            boxes_of = _boxes_of(detector, det_class, det_score_thr, where, batch_size)
    return Model(cfg, predictor, boxes_of, score_thr)


def _predictor(
    cfg: Config,
    checkpoint: str | Path | None,
    precision: str | None,
    device: Device,
    batch_size: int | None,
) -> Predictor:
    from hrnet_mm.commands.from_arguments import weights_from
    from hrnet_mm.predict.predictor import make_predictor

    source = published(cfg) if checkpoint is None else checkpoint
    return make_predictor(cfg, weights_from(source, precision), device, batch_size)


def _boxes_of(
    detector: Model | Detector | tuple[Any, Any] | str | Path,
    category: str,
    score_thr: float,
    device: Device,
    batch_size: int | None,
) -> BoxesOf:
    from hrnet_mm.base.config import read_config
    from hrnet_mm.base.errors import UserError
    from hrnet_mm.predict.detector import Detector, boxes_by_detector, check_is_detector
    from hrnet_mm.predict.model import Model

    if isinstance(detector, Model):
        if not hasattr(detector.predictor, 'detect'):
            raise UserError(f'detector={detector} finds no boxes: it is for {detector.task}')
        return boxes_by_detector(detector.predictor, detector.name, category, score_thr)
    if not isinstance(detector, Detector):
        pair = (detector, None) if isinstance(detector, str | Path) else detector
        try:
            config, checkpoint = pair
        except (TypeError, ValueError) as error:
            kinds = 'a loaded model, or a pair of config and checkpoint'
            raise UserError(f'detector={detector!r} is not {kinds}') from error
        detector = Detector(config, checkpoint, category, score_thr)
    cfg = read_config(detector.config)
    check_is_detector(cfg, detector.config)
    predictor = _predictor(cfg, detector.checkpoint, None, device, batch_size)
    return boxes_by_detector(predictor, detector.config, detector.category, detector.score_thr)


def published(cfg: Config) -> Path:
    """The weights that a metafile names for a config, downloaded if they are not here yet.

    Raises:
        UserError: there are none, they cannot be had, or are not what their name promises.
    """
    from hrnet_mm.base.config_names import published_weights
    from hrnet_mm.base.errors import UserError
    from hrnet_mm.weights.sources import fetch

    path = Path(cfg.filename or 'config.py')
    address = published_weights(path)
    remedy = 'name a checkpoint: load(config, checkpoint)'
    if address is None:
        raise UserError(f'nobody has published weights for {path.stem} that are known; {remedy}')
    try:
        return fetch(address)
    except UserError as error:
        raise UserError(f'{error}; {remedy}') from error
