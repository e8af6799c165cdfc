"""Writing predictions, label maps and drawings: a file is there whole or not at all."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing
from hrnet_mm.base.images import LABEL_MAP_SUFFIX, Frame
from hrnet_mm.base.inputs import Inputs
from hrnet_mm.predict.video import Writer, open_video

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
    name = label_map_name(frame.name, frame.index is not None)
    if frame.index is not None:
        name = f'{name}/{frame.index:06d}.png'
    write_image(out / name, labels)
    return name


def label_map_name(name: str, is_video: bool) -> str:
    """Of an image the file of its label map, of a video the folder of those of its frames."""
    return f'{name}{LABEL_MAP_SUFFIX.removesuffix(".png") if is_video else LABEL_MAP_SUFFIX}'


def drawing_path(out: Path, name: str, is_video: bool) -> Path:
    """Where the drawing of an input goes: its own name, made one of .jpg, .png or .mp4.

    The suffix is appended, so that inputs which differ in it only have drawings of their own.
    """
    kept, otherwise = (('.mp4',), '.mp4') if is_video else (KEPT_SUFFIXES, '.png')
    return out / (name if Path(name).suffix.lower() in kept else f'{name}{otherwise}')


def files_of(inputs: Inputs, names: dict[Path, str]) -> Iterator[tuple[Path, set[str]]]:
    """For each input the names of the files that its results may go to: drawing, label map."""
    videos = set(inputs.videos)
    for path, name in names.items():
        drawing = drawing_path(Path(), name, path in videos)
        yield path, {drawing.as_posix(), label_map_name(name, path in videos)}


def name_apart(inputs: Inputs) -> None:
    """Give inputs names of their own: of two ``a.jpg`` the second becomes ``a (2).jpg``."""
    taken: set[str] = set()
    for path, name in inputs.names.items():
        own = Path(name)
        for number in itertools.count(2):
            [(_, files)] = files_of(inputs, {path: name})
            if not files & taken:
                break
            name = own.with_name(f'{own.stem} ({number}){own.suffix}').as_posix()
        taken |= files
        inputs.names[path] = name


@contextmanager
def drawing_writer(out: Path) -> Iterator[Write]:
    """Write drawings, BGR: of images each into its file, of a video into one of the same speed.

    A video is there once all its frames are: where the block ends with an error, nothing is left of
    the one that was being written.

    Yields:
        A function that takes a frame and its drawing.

    Raises:
        UserError: a video cannot be written.
    """
    begun: Path | None = None
    video = ExitStack()
    add: Write | None = None
    report_once = cache(report)

    def write(frame: Frame, image: np.ndarray) -> None:
        nonlocal begun, add
        path = drawing_path(out, frame.name, frame.index is not None)
        if path != begun:
            video.close()  # it had its last frame
            begun = path
            add = (
                video.enter_context(_video(path, report_once)) if frame.index is not None else None
            )
        if frame.index is None:
            write_image(path, image)
        else:
            add(frame, image)

    with video:
        yield write


@contextmanager
def _video(path: Path, report: Callable[[str], None]) -> Iterator[Write]:
    with replacing(path) as temporary, ExitStack() as at_end:
        writer: Writer | None = None

        def add(frame: Frame, image: np.ndarray) -> None:
            nonlocal writer
            if writer is None:
                writer = open_video(temporary, frame.fps, image.shape[:2], report)
                at_end.callback(writer.close)
            writer.write(image, frame.seconds)

        yield add


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
        temporary.write_bytes(encoded)


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
