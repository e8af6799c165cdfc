"""Which predictor runs a config, and what the predictors of all tasks have in common."""

from __future__ import annotations

import itertools
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.config import Config

from hrnet_mm.base.boxes import BoxesOf
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.results import place_of_nan
from hrnet_mm.weights.checkpoint import FillsModel

# The predictor class for each default_scope; imported, with the host, when it is needed.
PREDICTORS = {
    'mmpose': 'hrnet_mm.predict.pose:PosePredictor',
    'mmdet': 'hrnet_mm.predict.detection:DetectionPredictor',
    'mmseg': 'hrnet_mm.predict.segmentation:SegmentationPredictor',
    'mmpretrain': 'hrnet_mm.predict.classification:ClassificationPredictor',
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        record: of what JSON knows, rounded, as predictions.json has it. Found instances are under
            ``instances``; a segmentation's array of labels, to be written as a file, is under
            ``label_map``.
        fields: the host's own numbers: by name, what a ``result.Result`` has; a function gives what
            is large only when it is asked for.
    """

    record: dict[str, Any]
    fields: dict[str, Any]


class Predictor:
    """A host's model for one task, which turns images into predictions and draws their records.

    Attributes:
        kinds: the classes of models that can be run.
        task: in words, ``'instance segmentation'``.
        model: the host's model.
        header: what is the same for every image, the first entries of predictions.json, for
            example ``{'class_names': ['person', 'bicycle']}``.
        takes_boxes: whether ``predict`` takes boxes beside the images, as of top-down pose models.
        batch_size: the number of images, or boxes, in one forward pass.
        score_thr: what scores less is not drawn by default; None where nothing has a score.
        draws_areas: whether masks or label maps are drawn, which have an opacity.
        nothing: the record of an image of which nothing is known.
        drawing: takes an image, its record, a threshold and an opacity, and returns the picture; it
            can be kept without the model.

    Args:
        model: of one of the ``kinds``.
        cfg: the model's config.
        batch_size: default: that of the class.
    """

    kinds: ClassVar[tuple[type, ...]]
    task: str
    drawing: Callable[[np.ndarray, dict[str, Any], float, float], np.ndarray]
    header: dict[str, Any]
    takes_boxes = False
    batch_size = 1
    score_thr: float | None = 0.3
    draws_areas = False
    nothing: ClassVar[dict[str, Any]] = {'instances': []}

    def __init__(self, model: HostModel, cfg: Config, batch_size: int | None) -> None:
        self.model = model
        self.batch_size = batch_size or self.batch_size

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        """Return one prediction for each frame."""
        raise NotImplementedError

    def check_takes(
        self, score_thr: float | None, boxes_of: BoxesOf | None, opacity: float | None = None
    ) -> None:
        """Make sure that what is given means something to the model.

        Raises:
            UserError: it gives no scores, takes no boxes, or nothing of its drawings is opaque.
        """
        if opacity is not None and not self.draws_areas:
            raise UserError(
                f'--opacity is of masks and label maps; of {self.task} neither is drawn'
            )
        if score_thr is not None and self.score_thr is None:
            raise UserError('--score-thr: the model gives no scores; every pixel is drawn')
        if boxes_of and not self.takes_boxes:
            raise UserError(
                'boxes (--boxes, --bbox, --detector) are for top-down pose models; the model of '
                'this config looks at whole images'
            )


def predictions(
    predictor: Predictor,
    frames: Iterator[Frame],
    boxes_of: BoxesOf | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[Frame, Prediction | Exception]]:
    """Predict on frames in their order, a batch at a time.

    Args:
        predictor: of any task.
        frames: any number; those of a batch are held in memory.
        boxes_of: gives the boxes of frames, for a predictor that takes them.
        batch_size: of frames. Default: the predictor's.

    Yields:
        Each frame with its prediction, or the error that predicting on it ends with.
    """
    while batch := list(itertools.islice(frames, batch_size or predictor.batch_size)):
        yield from _of_batch(predictor, batch, boxes_of)


def _of_batch(
    predictor: Predictor, batch: Sequence[Frame], boxes_of: BoxesOf | None
) -> Iterator[tuple[Frame, Prediction | Exception]]:
    try:
        boxes = [] if boxes_of is None else [boxes_of(batch)]
        results = list(zip(batch, predictor.predict(batch, *boxes), strict=True))
    except Exception as error:
        results = [(batch[0], error)] if len(batch) == 1 else []
    for frame, result in results:
        place = None if isinstance(result, Exception) else place_of_nan(result.record)
        if place is not None:
            result = UserError(f'the model gives NaN: {place} is no finite number')
        yield frame, result
    if not results:  # one by one, as only some may be at fault, or all too large together
        for frame in batch:
            yield from _of_batch(predictor, [frame], boxes_of)


def make_predictor(
    cfg: Config, weights: FillsModel, device: torch.device, batch_size: int | None = None
) -> Predictor:
    """Build the predictor for a config, with its weights, on a device.

    Args:
        cfg: of a host in ``PREDICTORS``.
        weights: what fills the model.
        device: where it runs.
        batch_size: the number of images, or boxes, in one forward pass; default: 8, and 1 for the
            large images of detectors, segmentors and bottom-up pose models.

    Raises:
        UserError: configs or models of this kind cannot be run, the host is not installed, or the
            weights do not fit the model.
    """
    scope = cfg.get('default_scope')
    if scope not in PREDICTORS:
        raise UserError(
            f'configs with default_scope={scope!r} cannot be run, only those of '
            f'{", ".join(PREDICTORS)}'
        )
    try:
        predictor = pkgutil.resolve_name(PREDICTORS[scope])
        return predictor(HostModel(cfg, weights, device, predictor.kinds), cfg, batch_size)
    except ModuleNotFoundError as error:
        raise UserError(f'{error.name} is not installed; configs of {scope} need it') from error
