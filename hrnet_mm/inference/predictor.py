"""Which predictor runs a config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.config import Config

from hrnet_mm.cli import UserError
from hrnet_mm.inference.inputs import Frame


class Predictor(Protocol):
    """What a task gives to the loop: numbers for frames, and a drawing of them."""

    header: dict[str, Any]
    """What is the same for every image; it goes to the top of predictions.json."""

    def predict(
        self, frames: Sequence[Frame], boxes: Sequence[np.ndarray | None]
    ) -> list[dict[str, Any]]:
        """One record per frame, of what JSON knows; boxes are (N, 5) or None: none are given."""

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """The frame with its record drawn: (H, W, 3) uint8 BGR, the frame's own left as it is."""


def _pose(cfg: Config, checkpoint: Path, device: torch.device, batch_size: int) -> Predictor:
    from hrnet_mm.inference.pose import PosePredictor

    return PosePredictor(cfg, checkpoint, device, batch_size)


# By the default_scope of the config. A host is imported only when its configs are run.
PREDICTORS: dict[str, Callable[[Config, Path, torch.device, int], Predictor]] = {'mmpose': _pose}


def make_predictor(
    cfg: Config, checkpoint: Path, device: torch.device, batch_size: int
) -> Predictor:
    """Build the predictor for a config, with its weights, on a device.

    Raises:
        UserError: configs of this host cannot be run, or the host is not installed.
    """
    scope = cfg.get('default_scope')
    if scope not in PREDICTORS:
        raise UserError(
            f'configs with default_scope={scope!r} cannot be run yet, only those of '
            f'{", ".join(PREDICTORS)}'
        )
    try:
        return PREDICTORS[scope](cfg, checkpoint, device, batch_size)
    except ModuleNotFoundError as error:
        raise UserError(f'{error.name} is not installed; configs of {scope} need it') from error
