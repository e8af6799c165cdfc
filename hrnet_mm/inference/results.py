"""Writing predictions and drawings: a file is there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hrnet_mm.cli import UserError
from hrnet_mm.inference.inputs import VIDEO_SUFFIXES, Frame, VideoFile

PREDICTIONS = 'predictions.json'
KEPT_SUFFIXES = ('.jpeg', '.jpg', '.png')
Write = Callable[[Frame, np.ndarray], None]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{os.getpid()}{path.suffix}')
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_predictions(out: Path, document: dict[str, Any]) -> None:
    """Write ``predictions.json`` into a folder."""
    with replacing(out / PREDICTIONS) as temporary:
        temporary.write_text(json.dumps(document, allow_nan=False), encoding='utf-8')


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
        path = drawing_path(out, frame.name)
        _, encoded = cv2.imencode(path.suffix.lower(), image)
        with replacing(path) as temporary:
            encoded.tofile(temporary)

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
