"""The boxes that a top-down model looks into, for each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame, ImageFiles, VideoFile
from hrnet_mm.predict.box_file import check_box, read_boxes
from hrnet_mm.predict.predictor import Predictor

# For each frame its boxes, (N, 5) of x, y, w, h in pixels and score.
BoxesOf = Callable[[Sequence[Frame]], list[np.ndarray]]


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


def boxes_by_frame(
    boxes: Path | Sequence[Sequence[float]],
    frames: ImageFiles | VideoFile,
    report: Callable[[str], None],
) -> BoxesOf:
    """A function that gives boxes that are known beforehand.

    Args:
        boxes: a file (see ``box_file.read_boxes``), or the boxes of every frame.
        frames: the input. An image that a file does not name has no boxes, (0, 5).
        report: takes a line where the file names only some of the images.

    Raises:
        UserError: a box or the file is wrong, or it names none of the images.
    """
    if not isinstance(boxes, Path):
        same = _as_array([check_box(box, '--bbox') for box in boxes])
        return lambda frames: [same] * len(frames)
    if isinstance(frames, VideoFile):
        raise UserError(f'{boxes}: a file of boxes is for images; a video takes --bbox')
    by_path = _match(read_boxes(boxes), frames, boxes, report)
    return lambda frames: [by_path[frame.path] for frame in frames]


def _match(
    by_name: dict[str, list[list[float]]],
    frames: ImageFiles,
    file: Path,
    report: Callable[[str], None],
) -> dict[Path, np.ndarray]:
    """Boxes of every image: of the longest name in the file that its path ends with."""
    by_path, unnamed = {}, []
    for path in frames.names:
        parts = path.absolute().parts
        endings = ('/'.join(parts[i:]) for i in range(1, len(parts)))
        name = next((ending for ending in endings if ending in by_name), None)
        by_path[path] = _as_array(by_name.get(name, []))
        if name is None:
            unnamed.append(path)
    if len(unnamed) == len(frames):
        raise UserError(
            f'{file} names none of the images: its first name is {next(iter(by_name))}, '
            f'the first image {unnamed[0]}'
        )
    if unnamed:
        report(f'{len(unnamed)} of {len(frames)} images are not in {file}: no boxes for them')
    return by_path


def _as_array(boxes: list[list[float]]) -> np.ndarray:
    return np.reshape(np.float32(boxes), (-1, 5))
