"""A run of prediction: every frame of an input is predicted, checked, drawn and written."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.beside import Behind
from hrnet_mm.base.boxes import BoxesOf
from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.images import Frame
from hrnet_mm.base.inputs import Inputs
from hrnet_mm.predict.drawing import OPACITY
from hrnet_mm.predict.network_clock import NetworkClock
from hrnet_mm.predict.predictor import Prediction, Predictor, predictions
from hrnet_mm.predict.results import (
    RecordFile,
    Write,
    best_where_nothing_is_drawn,
    drawing_writer,
    files_of,
    progress_bar,
    report,
    whole_record,
    write_label_map,
)

MOST_TOLD = 10  # images of which a line says that nothing is drawn in them
MOST_FAILED = 10  # images; a run without any result ends then, as the images are not at fault


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        count: the number of images, or of frames of a video.
        unit: ``'image'``, ``'frame'``, or ``'picture'`` where there were both.
        skipped: the number of images that could not be read.
        instances: how many were found; None for tasks that look for none.
        seconds: the time the run took, without building the model.
        out: the folder of the results.
        network_rate: images a second in the time of the networks alone, after the first batch; None
            where there is only one.
        empty: the number of images in which no instance was found.
    """

    count: int
    unit: str
    skipped: int
    instances: int | None
    seconds: float
    out: Path
    network_rate: float | None = None
    empty: int = 0

    def __str__(self) -> str:
        skipped = f' ({self.skipped} skipped)' if self.skipped else ''
        found = '' if self.instances is None else f', {_plural(self.instances, "instance")}'
        if self.instances and self.empty:
            found += f' in {self.count - self.empty} of them'
        alone = f' (the network alone {_rate(self.network_rate)})' if self.network_rate else ''
        return (
            f'{_plural(self.count, self.unit)}{skipped}{found}, '
            f'{_rate(self.count / self.seconds)} {self.unit}s/s{alone}: {self.out}'
        )


def _rate(rate: float) -> str:
    return f'{rate:.{1 if rate >= 1 else 3}f}'


def _plural(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _bytes_of(found: tuple[Frame, Any]) -> int:
    return found[0].image.nbytes


def check_out(out: Path, inputs: Inputs, draw: bool) -> None:
    """Make sure, before a model is built, that the results can go where they are to go.

    Raises:
        UserError: ``out`` is a file, or a drawing would replace an input.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f'--out {out} is a file; the results need a folder')
    sources = {path.resolve() for path in inputs.names}
    for path, files in files_of(inputs, inputs.names) if draw else ():
        for file in files:
            if (out / file).resolve() in sources:
                which = 'it' if (out / file).resolve() == path.resolve() else out / file
                raise UserError(
                    f'the drawing of {path} would replace {which}; choose another --out'
                )


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C end a run regularly; a second is as any other.

    Yields:
        A function that says whether it has come.
    """
    if threading.current_thread() is not threading.main_thread():  # as Python demands
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    came = threading.Event()

    def note(number: int, frame: object) -> None:
        came.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class PredictionRun:
    """Predicts on all frames and writes all results. A frame that fails does not stop the others.

    Args:
        predictor: of any task.
        frames: what to predict on, under names that are apart.
        out: the folder of the results.
        header: the first entries of predictions.json, before the predictor's own.
        draw: whether to draw.
        score_thr: what scores less is written but not drawn. Default: the predictor's.
        boxes_of: gives the boxes of frames, for a predictor that takes them. Default: the whole
            images.
        opacity: of masks and label maps, from 0 to 1.
        workers: threads that read images ahead of the model; with some, another draws and writes
            behind it. 0: all is done in turn.

    Raises:
        UserError: the predictor gives no scores, takes no boxes, or draws nothing with an opacity.
    """

    def __init__(
        self,
        predictor: Predictor,
        frames: Inputs,
        out: Path,
        header: dict[str, Any],
        draw: bool = True,
        score_thr: float | None = None,
        boxes_of: BoxesOf | None = None,
        opacity: float | None = None,
        workers: int = 1,
    ) -> None:
        predictor.check_takes(score_thr, boxes_of, opacity)
        self._predictor = predictor
        self._frames = frames
        self._out = out
        self._score_thr = predictor.score_thr if score_thr is None else score_thr
        self._clock = NetworkClock()
        self._boxes_of = None if boxes_of is None else self._clock.timing(boxes_of)
        # A camera's picture is not to wait, nor to be written when Ctrl-C has come.
        self._workers = 0 if frames.is_endless else workers
        self._opacity = OPACITY if opacity is None else opacity
        self._records = RecordFile(out, header | predictor.header)
        self._drawings = drawing_writer(out) if draw else nullcontext()
        self._write: Write | None = None
        self._show: Callable[[int], None]
        self._instances: int | None = None
        self._empty = 0
        self._nothing_drawn: list[float] = []  # of each such frame the best score
        self._failed = 0
        self._first_failure: tuple[str, Exception] | None = None

    def run(self) -> Summary:
        """Go through all frames, in order, and sum up. A camera is looked at until Ctrl-C.

        Raises:
            UserError: the first ``MOST_FAILED`` frames failed, every one; or, once the results of
                all other frames are written, how many frames failed.
            OSError: a result cannot be written.
        """
        start = time.perf_counter()
        self._out.mkdir(parents=True, exist_ok=True)
        most = 2 * self._predictor.batch_size  # one batch is looked at while the next is read
        load = self._predictor.model.loader.load
        frames = self._frames.read(load, self._workers, most)
        progress = progress_bar(len(self._frames), self._frames.unit)
        is_endless = self._frames.is_endless
        until_told = until_interrupted() if is_endless else nullcontext(lambda: False)
        behind = Behind(self._take, most if self._workers else 0, _bytes_of)
        # A camera's picture is not to wait until a batch is full.
        found = predictions(self._predictor, frames, self._boxes_of, 1 if is_endless else None)
        with (
            self._records,
            self._drawings as self._write,
            progress as self._show,
            until_told as told,
            closing(frames),
            behind,
        ):
            for one in found:
                self._clock.note(self._predictor.model.seconds)
                behind.put(one)
                if told():
                    break
        self._sum_up_what_is_not_drawn()
        self._raise_failures()
        return Summary(
            count=self._records.count,
            unit=self._frames.unit,
            skipped=self._frames.skipped,
            instances=self._instances,
            empty=self._empty,
            seconds=time.perf_counter() - start,
            out=self._out,
            network_rate=self._clock.rate(self._predictor.batch_size),
        )

    def _take(self, found: tuple[Frame, Prediction | Exception]) -> None:
        frame, result = found
        if isinstance(result, Exception):
            self._fail(frame, result)
        else:
            self._finish(frame, result.record)
        self._show(self._records.count + self._failed + self._frames.skipped)

    def _finish(self, frame: Frame, record: dict[str, Any]) -> None:
        """Draw and write the record of a frame."""
        try:
            if self._write:
                self._write(frame, self._drawn(frame, record))
        except OSError:
            raise  # a full disk is not the image's fault
        except Exception as error:
            self._fail(frame, error)
            return
        if 'label_map' in record:
            record['label_map'] = write_label_map(self._out, frame, record['label_map'])
        self._records.append(whole_record(frame, record))
        if self._write:
            self._note_what_is_not_drawn(frame, record)
        if 'instances' in record:
            self._instances = (self._instances or 0) + len(record['instances'])
            self._empty += not record['instances']

    def _drawn(self, frame: Frame, record: dict[str, Any]) -> np.ndarray:
        return self._predictor.drawing(frame.image, record, self._score_thr, self._opacity)

    def _note_what_is_not_drawn(self, frame: Frame, record: dict[str, Any]) -> None:
        """Say so if something was found in an image and all of it scores too little to be drawn."""
        best = best_where_nothing_is_drawn(record, self._score_thr)
        if best is None:
            return
        self._nothing_drawn.append(best)
        if frame.index is None and len(self._nothing_drawn) <= MOST_TOLD and len(self._frames) > 1:
            report(f'nothing drawn in {frame.place}: the best score is {best:.2g}')

    def _sum_up_what_is_not_drawn(self) -> None:
        if not self._nothing_drawn:
            return
        unit, total = self._frames.unit, self._records.count
        where = f'{len(self._nothing_drawn)} of {_plural(total, unit)}'
        if unit == 'image' and len(self._frames) == 1:
            [where] = self._frames.names
        best = max(self._nothing_drawn)
        report(
            f'nothing drawn in {where}: nothing there scores {self._score_thr:g} or more, the best '
            f'{best:.2g}; --score-thr {math.floor(best * 100) / 100:g} draws it'
        )

    def _fail(self, frame: Frame, error: Exception) -> None:
        """Report what is wrong with a frame, and count it."""
        sentence = f'{frame.place}: {sentence_of(error)}'
        self._first_failure = self._first_failure or (sentence, error)
        self._failed += 1
        report(f'failed: {sentence}')
        if self._failed == MOST_FAILED and not self._records.count:
            self._raise_failures()
        if frame.index is not None and self._write:  # a drawn video keeps its length
            self._write(frame, self._drawn(frame, self._predictor.nothing))

    def _raise_failures(self) -> None:
        if self._first_failure is None:
            return
        message, error = self._first_failure
        done, unit = self._records.count, self._frames.unit
        if done:
            message = (
                f'{self._failed} of {self._failed + done} {unit}s failed, and the results of the '
                f'others are written; the first: {message}'
            )
        elif self._failed > 1:
            message = f'none of {self._failed} {unit}s gave a result; the first: {message}'
        raise UserError(message) from error
