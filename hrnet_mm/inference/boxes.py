"""The boxes that a top-down model looks into, for each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hrnet_mm.cli import UserError
from hrnet_mm.inference.box_file import check_box, read_boxes
from hrnet_mm.inference.inputs import Frame, ImageFiles, VideoFile

BoxesOf = Callable[[Frame], 'np.ndarray | None']


def boxes_by_frame(
    boxes: Path | Sequence[Sequence[float]] | None,
    frames: ImageFiles | VideoFile,
    report: Callable[[str], None],
) -> BoxesOf:
    """A function that gives the boxes of a frame: (N, 5) of x, y, w, h, score; None for none given.

    Args:
        boxes: a file (see ``box_file.read_boxes``), or the boxes of every frame, or None.
        frames: the input. An image that a file does not name has no boxes, (0, 5).
        report: takes a line where the file names only some of the images.

    Raises:
        UserError: a box or the file is wrong, or it names none of the images.
    """
    if boxes is None:
        return lambda frame: None
    if not isinstance(boxes, Path):
        same = _as_array([check_box(box, 'the given box') for box in boxes])
        return lambda frame: same
    if isinstance(frames, VideoFile):
        raise UserError(f'{boxes}: a file of boxes is for images; a video takes --bbox')
    by_path = _match(read_boxes(boxes), frames, boxes, report)
    return lambda frame: by_path[frame.path]


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
