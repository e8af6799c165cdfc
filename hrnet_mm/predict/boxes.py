"""The boxes that a top-down model looks into, for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hrnet_mm.base.boxes import BoxesOf
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.predictor import Predictor


class InBoxes:
    """A predictor that takes boxes, and where its boxes come from, as a predictor of frames.

    Args:
        predictor: one with ``takes_boxes``.
        boxes_of: gives the boxes of frames.

    Raises:
        UserError: the predictor takes no boxes.
    """

    takes_boxes = False

    def __init__(self, predictor: Predictor, boxes_of: BoxesOf) -> None:
        if not predictor.takes_boxes:
            raise UserError(
                'boxes (--boxes, --bbox, --detector) are for top-down pose models; the model of '
                'this config looks at whole images'
            )
        self._predictor = predictor
        self._boxes_of = boxes_of
        self.loader = predictor.loader
        self.batch_size = predictor.batch_size
        self.score_thr = predictor.score_thr
        self.header = predictor.header
        self.draw = predictor.draw

    def predict(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """One record per frame; one without boxes has no instances."""
        return self._predictor.predict(frames, self._boxes_of(frames))
