"""A model that is loaded once and called with images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from hrnet_mm.base.boxes import BoxesOf, as_boxes
from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.predictor import Predictor, predictions
from hrnet_mm.predict.result import Result
from hrnet_mm.predict.sources import open_source


class Model:
    """A model of any task, ready to be called; ``hrnet_mm.load`` makes one.

    Several threads may call it: they are served one after another.

    Attributes:
        cfg: its config.
        predictor: what runs it.
        boxes_of: finds the boxes of a top-down pose model in frames; None: it looks at the whole
            image.
        score_thr: what scores less is not drawn; None where nothing has a score.

    Args:
        score_thr: default: the predictor's.

    Raises:
        UserError: the model gives no scores, or takes no boxes.
    """

    def __init__(
        self,
        cfg: Config,
        predictor: Predictor,
        boxes_of: BoxesOf | None = None,
        score_thr: float | None = None,
    ) -> None:
        predictor.check_takes(score_thr, boxes_of)
        self.cfg = cfg
        self.predictor = predictor
        self.boxes_of = boxes_of
        self.score_thr = predictor.score_thr if score_thr is None else score_thr

    @property
    def name(self) -> str:
        """Of the file of its config."""
        return Path(self.cfg.filename or 'config').stem

    @property
    def task(self) -> str:
        """In words, ``'top-down pose'``."""
        return self.predictor.task

    def __repr__(self) -> str:
        return f'<Model {self.name}: {self.task}, on {self.predictor.model.device}>'

    def __call__(
        self,
        source: Any,
        *,
        boxes: Any = None,
        channel_order: str = 'bgr',
        stream: bool = False,
        skip_unreadable: bool | None = None,
    ) -> Result | list[Result] | Iterator[Result]:
        """Predict on an image or many.

        Args:
            source: an image: a path, an http(s) address, an array, or an image of Pillow; a
                folder (read recursively), a glob or a video; a list of all these; or the number of
                a camera.
                Arrays are (H, W, 3) uint8 as OpenCV reads images, also (H, W, 4), grey (H, W), or
                uint16, and are loaded as a PNG file of these pixels would be.
            boxes: where a top-down pose model looks: [x, y, w, h] in pixels, with a score behind it
                if wanted, in every image; of a list of images also a list of boxes for each.
                Default: the detector's; without one, the whole image.
            channel_order: of arrays: ``'bgr'`` or ``'rgb'``.
            stream: give results one by one, as they are asked for, and keep none: any number of
                images is predicted in the same memory. A camera needs it.
            skip_unreadable: leave out images that cannot be read, with a line on stderr for each,
                in the place of an error. Default: of a folder or a glob.

        Returns:
            The result of an image; of several a list, in their order; with ``stream`` an iterator.

        Raises:
            UserError: the source is not there or cannot be read, or the model fails on an image.
        """
        loader = self.predictor.model.loader
        found = open_source(source, loader, channel_order, skip_unreadable)
        if found.is_endless and not stream:
            raise UserError('a camera gives pictures without end: say stream=True')
        boxes_of = self.boxes_of if boxes is None else boxes_given(boxes, source)
        self.predictor.check_takes(None, boxes_of)
        # A camera's picture is not to wait until a batch is full.
        results = self._results(found.frames, boxes_of, 1 if found.is_endless else None)
        if stream:
            return results
        if found.is_single:
            [result] = results
            return result
        return list(results)

    def _results(
        self, frames: Iterator[Frame], boxes_of: BoxesOf | None, batch_size: int | None
    ) -> Iterator[Result]:
        for frame, found in predictions(self.predictor, frames, boxes_of, batch_size):
            if isinstance(found, UserError):
                raise UserError(f'{frame.place}: {sentence_of(found)}') from found
            if isinstance(found, Exception):
                raise found
            yield Result(frame, found, self.predictor, self.score_thr)


def boxes_given(boxes: Any, source: Any) -> BoxesOf:
    """A function that gives the user's boxes: the same in every frame, or each image's own.

    Raises:
        UserError: they are no boxes, or are for another number of images.
    """
    if isinstance(boxes, str | Path):
        raise UserError(f'boxes are [[x, y, w, h], ...] in pixels, not {boxes!r}')
    rows = list(boxes)
    if not rows or not _holds_boxes(rows[0]):
        same = as_boxes(rows, 'boxes: one')
        return lambda frames: [same] * len(frames)
    each = [as_boxes(part, f'boxes[{number}]: one') for number, part in enumerate(rows)]
    if isinstance(source, list | tuple) and len(source) != len(each):
        raise UserError(f'boxes of {len(each)} images are given, and there are {len(source)}')

    def boxes_of(frames: Sequence[Frame]) -> list[np.ndarray]:
        numbers = [frame.number for frame in frames]
        if None in numbers or max(numbers) >= len(each):
            raise UserError('boxes for each image are for a list of images, of the same length')
        return [each[number] for number in numbers]

    return boxes_of


def _holds_boxes(row: Any) -> bool:
    """Whether it is a list of boxes, perhaps an empty one, and not one box."""
    return hasattr(row, '__len__') and (len(row) == 0 or hasattr(row[0], '__len__'))
