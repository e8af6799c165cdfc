"""Writing predictions, label maps and drawings: a file is there whole or not at all."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing
from hrnet_mm.base.images import LABEL_MAP_SUFFIX, VIDEO_SUFFIXES, Frame, ImageFiles, VideoFile

PREDICTIONS = 'predictions.json'
LINES = 'predictions.jsonl'
KEPT_SUFFIXES = ('.jpeg', '.jpg', '.png')
Write = Callable[[Frame, np.ndarray], None]


def report(line: str) -> None:
    """Tell the user something beside the results."""
    print(line, file=sys.stderr)


class RecordFile:
    """``predictions.json`` of a folder, every record of which is on the disk once it is known.

    Until the last, the records are lines of ``predictions.jsonl`` beside it, after a line of what
    is the same for all images. A run that is stopped or killed leaves these lines: every one but
    perhaps the last is whole. They are never overwritten: where a file of that name is left, or a
    second run is at work in the folder, the lines go to ``predictions.2.jsonl``, and so on.

    Args:
        out: the folder.
        header: what is the same for all images, not empty.

    Attributes:
        count: the number of records so far.
    """

    def __init__(self, out: Path, header: dict[str, Any]) -> None:
        self.count = 0
        self._out = out
        self._header = json.dumps(header)
        self._lines: BinaryIO | None = None

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Write ``predictions.json`` and remove the lines; after an error, leave the lines."""
        if self._lines is None:
            return
        with self._lines as lines:
            if kind is None:
                self._write_document(lines)
        if kind is None:
            Path(lines.name).unlink(missing_ok=True)
        else:
            report(f'what was finished is in {lines.name}: {self.count} records')

    def append(self, record: dict[str, Any]) -> None:
        """Write a record, of what JSON knows."""
        line = json.dumps(record, allow_nan=False)
        if self._lines is None:
            self._lines = self._new_file()
            self._lines.write(self._header.encode() + b'\n')
        self._lines.write(line.encode() + b'\n')
        self._lines.flush()
        self.count += 1

    def _new_file(self) -> BinaryIO:
        for number in itertools.count(1):
            path = self._out / (f'predictions.{number}.jsonl' if number > 1 else LINES)
            try:
                return path.open('x+b')
            except FileExistsError:
                report(f'{path} is of a run that was stopped or is at work: it is kept')
        raise AssertionError  # numbers do not end

    def _write_document(self, lines: BinaryIO) -> None:
        lines.seek(0)
        next(lines)  # the header
        with replacing(self._out / PREDICTIONS) as temporary, temporary.open('wb') as file:
            file.write(f'{self._header[:-1]}, "images": ['.encode())
            for number, line in enumerate(lines):
                file.write(b', ' * (number > 0) + line.rstrip(b'\n'))
            file.write(b']}')


def whole_record(frame: Frame, record: dict[str, Any]) -> dict[str, Any]:
    """A record with what comes first in predictions.json: the image, and its size."""
    height, width = frame.image.shape[:2]
    number = {} if frame.index is None else {'frame': frame.index}
    return {'file': frame.name, **number, 'width': width, 'height': height, **record}


def best_where_nothing_is_drawn(record: dict[str, Any], score_thr: float) -> float | None:
    """The best score of an image in which something was found, and all of it scores too little.

    Returns:
        None where something is drawn, nothing was found, or nothing has a score.
    """
    scores = [score for part in _scored_parts(record) for score in part]
    return max(scores) if scores and max(scores) < score_thr else None


def _scored_parts(record: dict[str, Any]) -> Iterator[Iterable[float]]:
    """For each thing found the scores by which it, or its keypoints, are drawn."""
    for part in record.get('instances', record.get('classes', ())):
        if 'keypoints' in part:
            yield [min(part['bbox_score'], score) for _, _, score in part['keypoints']]
        elif 'score' in part:
            yield [part['score']]


def place_of_nan(value: Any, place: str = '') -> str | None:
    """Where in a record the first number is NaN or infinite, as ``instances[2].bbox[0]``."""
    if isinstance(value, dict):
        parts = ((f'{place}.{key}' if place else key, part) for key, part in value.items())
    elif isinstance(value, list):
        parts = ((f'{place}[{index}]', part) for index, part in enumerate(value))
    else:
        return place if isinstance(value, float) and not math.isfinite(value) else None
    return next(filter(None, (place_of_nan(part, inner) for inner, part in parts)), None)


def rounded(numbers: Iterable[float], digits: int) -> list[float]:
    """Round numbers as predictions.json has them."""
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
    write_image(out / name, labels)
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
def drawing_writer(out: Path, frames: ImageFiles | VideoFile) -> Iterator[Write]:
    """Write drawings, BGR: of images each into its file, of a video into one of the same speed.

    Yields:
        A function that takes a frame and its drawing.

    Raises:
        UserError: OpenCV cannot write the video.
    """
    if isinstance(frames, ImageFiles):
        yield lambda frame, image: write_image(drawing_path(out, frame.name), image)
        return
    [name] = frames.names.values()
    with replacing(drawing_path(out, name)) as temporary:
        writer = cv2.VideoWriter()

        def write(frame: Frame, image: np.ndarray) -> None:
            if not writer.isOpened():
                height, width = image.shape[:2]
                codec = cv2.VideoWriter_fourcc(*'mp4v')
                if not writer.open(str(temporary), codec, frames.fps, (width, height)):
                    raise UserError(f'OpenCV cannot write an mp4 video to {out}; try --no-draw')
            writer.write(image)

        try:
            yield write
        finally:
            writer.release()


def write_image(path: Path, image: np.ndarray, remedy: str = 'try --no-draw') -> None:
    """Write an image in the form that the suffix names.

    Raises:
        UserError: OpenCV cannot; with the remedy.
    """
    try:
        written, encoded = cv2.imencode(path.suffix.lower(), image)
    except cv2.error:
        written = False
    if not written:
        height, width = image.shape[:2]
        raise UserError(
            f'{path.name}, {width} x {height} pixels, cannot be written as {path.suffix}; {remedy}'
        )
    with replacing(path) as temporary:
        encoded.tofile(temporary)


@contextmanager
def progress_bar(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with the remaining time, on a terminal only.

    Args:
        total: the number of units; 0 where unknown.
        unit: what is counted, for example ``'image'``.

    Yields:
        A function that takes the number of units done so far.
    """
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('ETA'),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f'{unit}s', total=total or None)
        yield lambda done: progress.update(task, completed=done)
