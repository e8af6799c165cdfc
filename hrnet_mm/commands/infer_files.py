"""``infer``: from the names of files to predictions, drawn and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.base.boxes import boxes_by_frame
from hrnet_mm.base.config import read_config
from hrnet_mm.base.images import find_frames
from hrnet_mm.commands.from_arguments import find_device, take_over, weights_from
from hrnet_mm.predict.detector import Detector, boxes_by_detector
from hrnet_mm.predict.predictor import make_predictor
from hrnet_mm.predict.results import report
from hrnet_mm.predict.run import PredictionRun, Summary, check_out
from hrnet_mm.weights.trust import trusting


def infer(
    config: Path,
    checkpoint: str | Path,
    source: str,
    out: Path | None = None,
    boxes: Path | Sequence[Sequence[float]] | None = None,
    detector: Detector | None = None,
    device: str | None = None,
    score_thr: float | None = None,
    batch_size: int | None = None,
    draw: bool = True,
    cfg_options: dict[str, Any] | None = None,
    trust: bool = False,
    fast: str | None = None,
    takeover: bool = False,
) -> Summary:
    """Predict on images or a video; write drawings, label maps and ``predictions.json``.

    Args:
        config: of a host in ``hrnet_mm.predict.predictor.PREDICTORS``.
        checkpoint: the weights, or a file that tools/export.py wrote.
        source: an image or a video, a folder (read recursively), or a glob of images.
        out: the folder of the results. Default: ``work_dirs/infer/<name of the config>``.
        boxes: for a top-down pose model: a file (see ``hrnet_mm.base.boxes.read_boxes``),
            or the boxes of every image as [x, y, w, h] in pixels. Default: the whole image.
        detector: finds the boxes of a top-down pose model, in the place of ``boxes``.
        device: Default: the first GPU if there is one.
        score_thr: what scores less is written but not drawn. Default: 0.3 for instances and
            keypoints, 0 for classes of images.
        batch_size: images, or boxes, in one forward pass. Default: see ``make_predictor``.
        draw: whether to draw.
        cfg_options: changes to the config, by dotted keys.
        trust: run what the checkpoints, the detector's too, or a .pt2 file ask to be run.
        fast: the precision in which an engine of ``hrnet_mm.deploy`` runs backbone and neck.
        takeover: put our HRNet in the place of the hosts', from now on in this process.

    Raises:
        UserError: naming what is wrong with an argument or a file; or, once the results of all
            other images are written, how many images failed.
    """
    out = out or Path('work_dirs/infer') / config.stem
    frames = find_frames(source, out, report)
    check_out(out, frames, draw)
    boxes_of = None if boxes is None else boxes_by_frame(boxes, frames, report)
    said = dict(load_from='CHECKPOINT', resume='CHECKPOINT', work_dir='--out')
    cfg = read_config(config, cfg_options, arguments=said)
    if takeover:
        take_over(cfg)
    device = find_device(device)
    with trusting(trust):
        predictor = make_predictor(cfg, weights_from(checkpoint, fast), device, batch_size)
        if detector:
            weights = weights_from(detector.checkpoint)
            boxes_of = boxes_by_detector(detector, weights, device, batch_size)
    origin = {'config': str(config), 'checkpoint': str(checkpoint), 'input': source}
    if detector:
        origin['detector'] = detector.origin
    return PredictionRun(predictor, frames, out, origin, draw, score_thr, boxes_of).run()
