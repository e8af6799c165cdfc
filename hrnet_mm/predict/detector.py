"""The boxes that a detector finds, in which a top-down pose model looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hrnet_mm.base.boxes import BoxesOf
from hrnet_mm.base.errors import UserError, did_you_mean
from hrnet_mm.base.images import Frame

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.structures import InstanceData

    from hrnet_mm.predict.detection import DetectionPredictor

SMALLEST = 1.0  # pixels; a smaller box is no crop to look into


@dataclass(frozen=True)
class Detector:
    """A detector, and which of its boxes are taken.

    Attributes:
        config: of a detector of mmdet, as ``hrnet_mm.load`` takes it.
        checkpoint: its weights.
        category: the name of the class whose boxes are taken.
        score_thr: boxes that score less are not taken.
    """

    config: str | Path
    checkpoint: str | Path
    category: str = 'person'
    score_thr: float = 0.3

    @property
    def origin(self) -> dict[str, Any]:
        """The entry of predictions.json that says where the boxes are from."""
        return asdict(self) | {'config': str(self.config), 'checkpoint': str(self.checkpoint)}


def check_is_detector(cfg: Config, config: object) -> None:
    """Make sure, before it is built, that a config is of a detector.

    Raises:
        UserError: it is not.
    """
    if cfg.get('default_scope') != 'mmdet':
        raise UserError(
            f'--detector takes a config of mmdet; {config} has '
            f'default_scope={cfg.get("default_scope")!r}'
        )


def boxes_by_detector(
    predictor: DetectionPredictor, config: object, category: str, score_thr: float
) -> BoxesOf:
    """Make a function that gives the boxes which a detector finds in frames.

    Args:
        predictor: the detector.
        config: its config, for messages.
        category: the name of the class whose boxes are taken.
        score_thr: boxes that score less are not taken.

    Raises:
        UserError: the detector knows no such class.
    """
    names = predictor.classes.names
    if category not in names:
        hint = did_you_mean(category, names) or f'; it knows {", ".join(names[:20])}'
        raise UserError(f'the detector {config} knows no {category!r}{hint}')
    label = names.index(category)

    def boxes_of(frames: Sequence[Frame]) -> list[np.ndarray]:
        frames = [_as_detector_sees(frame, predictor) for frame in frames]
        return [
            boxes_of_class(found, label, score_thr, frame.image.shape[:2])
            for frame, found in zip(frames, predictor.detect(frames), strict=True)
        ]

    return boxes_of


def _as_detector_sees(frame: Frame, predictor: DetectionPredictor) -> Frame:
    """Load a frame as the detector's config does, which may be in other colours.

    Raises:
        UserError: it is of another size, as where only one of two configs turns photos upright.
    """
    seen = replace(frame, loaded=predictor.model.loader.load_again(frame))
    sizes = [image.shape[1::-1] for image in (seen.image, frame.image)]
    if sizes[0] != sizes[1]:
        (w, h), (width, height) = sizes
        raise UserError(
            f"{frame.path}: the detector's config loads {w} x {h} pixels, the pose model's "
            f'{width} x {height}; make their LoadImage steps alike'
        )
    return seen


def boxes_of_class(
    found: InstanceData, label: int, score_thr: float, size: tuple[int, int]
) -> np.ndarray:
    """The boxes (N, 5) of x, y, w, h, score of one label that lie in the image, even if in part."""
    height, width = size
    first, last = found.bboxes[:, :2], found.bboxes[:, 2:]
    boxes = np.concatenate([first, last - first, found.scores[:, None]], axis=1)
    inside = (first < [width, height]).all(axis=1) & (last > 0).all(axis=1)
    large = (boxes[:, 2:4] >= SMALLEST).all(axis=1)
    certain = (found.labels == label) & (found.scores >= score_thr)
    return boxes[inside & large & certain]
