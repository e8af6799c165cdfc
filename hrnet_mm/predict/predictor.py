"""Which predictor runs a config."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from mmengine.config import Config

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.weights.checkpoint import FillsModel

if TYPE_CHECKING:
    from hrnet_mm.predict.loading import ImageLoader


class Predictor(Protocol):
    """What a task gives to the loop: numbers for frames, and a drawing of them."""

    loader: ImageLoader
    """How the frames are loaded that ``predict`` gets, by the model's config."""

    header: dict[str, Any]
    """What is the same for every image; it goes to the top of predictions.json."""

    takes_boxes: bool
    """Whether ``predict`` takes boxes beside the frames, as ``pose.TopDownPredictor`` does."""

    batch_size: int
    """The number of images, or boxes, in one forward pass."""

    score_thr: float | None
    """What scores less is not drawn, by default; None where nothing has a score."""

    def predict(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """One record per frame, of what JSON knows.

        Found instances are under ``instances``; a segmentation's array of labels, to be written
        as a file, is under ``label_map``.
        """

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """The frame with its record drawn: (H, W, 3) uint8 BGR, the frame's own left as it is."""


# What makes one, by the default_scope of the config; imported, with the host, when it is needed.
PREDICTORS = {
    'mmpose': 'hrnet_mm.predict.pose:make_pose_predictor',
    'mmdet': 'hrnet_mm.predict.detection:DetectionPredictor',
    'mmseg': 'hrnet_mm.predict.segmentation:SegmentationPredictor',
    'mmpretrain': 'hrnet_mm.predict.classification:ClassificationPredictor',
}


def make_predictor(
    cfg: Config,
    weights: FillsModel,
    device: torch.device,
    batch_size: int | None = None,
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
        make = pkgutil.resolve_name(PREDICTORS[scope])
        return make(cfg, weights, device, batch_size)
    except ModuleNotFoundError as error:
        raise UserError(f'{error.name} is not installed; configs of {scope} need it') from error
