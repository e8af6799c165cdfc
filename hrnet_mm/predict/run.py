"""Predicting on all frames of an input, with all results written."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import ImageFiles, VideoFile
from hrnet_mm.predict.loop import FrameLoop
from hrnet_mm.predict.predictor import Predictor
from hrnet_mm.predict.results import (
    RecordFile,
    Write,
    drawing_path,
    image_writer,
    progress_bar,
    video_writer,
)


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        count: of images, or of frames of a video.
        unit: which of them: ``'image'`` or ``'frame'``.
        skipped: images that could not be read.
        instances: how many were found; None for tasks that look for none.
        seconds: that it took, without the time to build the model.
        out: the folder of the results.
    """

    count: int
    unit: str
    skipped: int
    instances: int | None
    seconds: float
    out: Path

    def __str__(self) -> str:
        skipped = f' ({self.skipped} skipped)' if self.skipped else ''
        found = '' if self.instances is None else f', {_plural(self.instances, "instance")}'
        rate = self.count / self.seconds
        return (
            f'{_plural(self.count, self.unit)}{skipped}{found}, '
            f'{rate:.{1 if rate >= 1 else 3}f} {self.unit}s/s: {self.out}'
        )


def predict_frames(
    predictor: Predictor,
    frames: ImageFiles | VideoFile,
    out: Path,
    header: dict[str, Any],
    draw: bool,
    score_thr: float | None,
) -> Summary:
    """Predict on all frames and write all results.

    Args:
        predictor: of a task.
        frames: the images of a folder, or a video.
        out: the folder of the results.
        header: what stands at the top of predictions.json.
        draw: whether to draw.
        score_thr: what scores less is written but not drawn. Default: the predictor's.

    Raises:
        UserError: a drawing would replace its image; or, once the results of all other images
            are written, how many images failed.
    """
    start = time.perf_counter()
    score_thr = predictor.score_thr if score_thr is None else score_thr
    out.mkdir(parents=True, exist_ok=True)
    with RecordFile(out, header, report) as records:
        with _writer(out, frames, draw) as write, progress_bar(len(frames), frames.unit) as show:
            loop = FrameLoop(predictor, out, records, write, score_thr, frames.unit, report)
            loop.run(frames.read(predictor.loader.load), lambda done: show(done + frames.skipped))
        if records.count:
            records.finish()
    loop.check()
    return Summary(
        count=records.count,
        unit=frames.unit,
        skipped=frames.skipped,
        instances=loop.instances,
        seconds=time.perf_counter() - start,
        out=out,
    )


def _plural(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def report(line: str) -> None:
    print(line, file=sys.stderr)


def check_out(out: Path, frames: ImageFiles | VideoFile, draw: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f'--out {out} is a file; the results need a folder')
    for path, name in frames.names.items():
        if draw and drawing_path(out, name).resolve() == path.resolve():
            raise UserError(f'the drawing of {path} would replace it; choose another --out')


def _writer(
    out: Path, frames: ImageFiles | VideoFile, draw: bool
) -> AbstractContextManager[Write | None]:
    if not draw:
        return nullcontext()
    return video_writer(out, frames) if isinstance(frames, VideoFile) else image_writer(out)
