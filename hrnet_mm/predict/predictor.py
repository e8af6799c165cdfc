"""Which predictor runs a config, and what the predictors of all tasks have in common."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.config import Config

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.weights.checkpoint import FillsModel

# The predictor class for each default_scope; imported, with the host, when it is needed.
PREDICTORS = {
    'mmpose': 'hrnet_mm.predict.pose:PosePredictor',
    'mmdet': 'hrnet_mm.predict.detection:DetectionPredictor',
    'mmseg': 'hrnet_mm.predict.segmentation:SegmentationPredictor',
    'mmpretrain': 'hrnet_mm.predict.classification:ClassificationPredictor',
}


class Predictor:
    """A host's model for one task, which turns images into records and draws these.

    Attributes:
        kinds: the classes of models that can be run.
        model: the host's model.
        header: what is the same for every image, the first entries of predictions.json, for
            example ``{'class_names': ['person', 'bicycle']}``.
        takes_boxes: whether ``predict`` takes boxes beside the images, as of top-down pose models.
        batch_size: the number of images, or boxes, in one forward pass.
        score_thr: what scores less is not drawn by default; None where nothing has a score.

    Args:
        model: of one of the ``kinds``.
        cfg: the model's config.
        batch_size: default: that of the class.
    """

    kinds: ClassVar[tuple[type, ...]]
    header: dict[str, Any]
    takes_boxes = False
    batch_size = 1
    score_thr: float | None = 0.3

    def __init__(self, model: HostModel, cfg: Config, batch_size: int | None) -> None:
        self.model = model
        self.batch_size = batch_size or self.batch_size

    def predict(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """Return one record for each frame, of what JSON knows.

        Found instances are under ``instances``; a segmentation's array of labels, to be written
        as a file, is under ``label_map``.
        """
        raise NotImplementedError

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """Return the frame with its record drawn: (H, W, 3) uint8 BGR."""
        raise NotImplementedError


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
