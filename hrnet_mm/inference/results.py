"""Writing predictions, label maps and drawings: a file is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hrnet_mm.cli import UserError
from hrnet_mm.files import replacing
from hrnet_mm.inference.inputs import LABEL_MAP_SUFFIX, VIDEO_SUFFIXES, Frame, VideoFile

PREDICTIONS = 'predictions.json'
KEPT_SUFFIXES = ('.jpeg', '.jpg', '.png')
Write = Callable[[Frame, np.ndarray], None]


def write_predictions(out: Path, document: dict[str, Any]) -> None:
    """Write ``predictions.json`` into a folder."""
    with replacing(out / PREDICTIONS) as temporary:
        temporary.write_text(json.dumps(document, allow_nan=False), encoding='utf-8')


def rounded(numbers: Iterable[float], digits: int) -> list[float]:
    """Numbers as predictions.json has them."""
    return [round(float(number), digits) for number in numbers]


def write_label_map(out: Path, frame: Frame, labels: np.ndarray) -> str:
    """Write a label map (H, W), uint8 or uint16, as a PNG whose values are the labels.

    Returns:
        Its name in the folder: the input's, with ``.labels.png`` appended, which no drawing has;
        of a video a folder of that name without ``.png``, with a file for each frame.
    """
    name = f'{frame.name}{LABEL_MAP_SUFFIX}'
    if frame.index is not None:
        name = f'{name.removesuffix(".png")}/{frame.index:06d}.png'
    _write_image(out / name, labels)
    return name


def drawing_path(out: Path, name: str) -> Path:
    """Where the drawing of an input goes: its own name, made one of .jpg, .png or .mp4.

    The suffix is appended, so that inputs which differ in it only have drawings of their own.
    """
    suffix = Path(name).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return out / (name if suffix == '.mp4' else f'{name}.mp4')
    return out / (name if suffix in KEPT_SUFFIXES else f'{name}.png')


@contextmanager
def image_writer(out: Path) -> Iterator[Write]:
    """A function that writes the drawing of a frame, BGR, into a folder."""

    def write(frame: Frame, image: np.ndarray) -> None:
        _write_image(drawing_path(out, frame.name), image)

    yield write


@contextmanager
def video_writer(out: Path, video: VideoFile) -> Iterator[Write]:
    """A function that appends a drawn frame, BGR, to one video of the input's speed.

    Raises:
        UserError: OpenCV cannot write the video.
    """
    [name] = video.names.values()
    with replacing(drawing_path(out, name)) as temporary:
        writer = cv2.VideoWriter()

        def write(frame: Frame, image: np.ndarray) -> None:
            if not writer.isOpened():
                height, width = image.shape[:2]
                codec = cv2.VideoWriter_fourcc(*'mp4v')
                if not writer.open(str(temporary), codec, video.fps, (width, height)):
                    raise UserError(f'OpenCV cannot write an mp4 video to {out}; try --no-draw')
            writer.write(image)

        try:
            yield write
        finally:
            writer.release()


def _write_image(path: Path, image: np.ndarray) -> None:
    _, encoded = cv2.imencode(path.suffix.lower(), image)
    with replacing(path) as temporary:
        encoded.tofile(temporary)
