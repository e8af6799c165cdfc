"""Frame after frame: predict, check, draw, write. One that fails does not stop the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.drawing import as_picture
from hrnet_mm.predict.predictor import Predictor
from hrnet_mm.predict.results import RecordFile, Write, place_of_nan, write_label_map

MOST_FAILED = 10  # images, after which a run without any result ends: it is not for the images


class FrameLoop:
    """What happens to every frame, and what became of all of them.

    Attributes:
        failed: how many frames gave an error.
        instances: how many were found; None for tasks that look for none.

    Args:
        predictor: looks at the frames.
        out: the folder of the results.
        records: takes what is found.
        write: takes the drawings; None for no drawings.
        score_thr: what scores less is not drawn.
        unit: what a frame is called: ``'image'`` or ``'frame'``.
        report: takes a line for every frame that fails.
    """

    def __init__(
        self,
        predictor: Predictor,
        out: Path,
        records: RecordFile,
        write: Write | None,
        score_thr: float,
        unit: str,
        report: Callable[[str], None],
    ) -> None:
        self.failed = 0
        self.instances: int | None = None
        self._first: tuple[str, Exception] | None = None
        self._predictor = predictor
        self._out = out
        self._records = records
        self._write = write
        self._score_thr = score_thr
        self._unit = unit
        self._report = report

    def run(self, frames: Iterator[Frame], show: Callable[[int], None]) -> None:
        """Go through all frames.

        Args:
            frames: in order.
            show: takes the number of frames so far.

        Raises:
            UserError: the first ``MOST_FAILED`` frames failed, every one.
            OSError: a result cannot be written.
        """
        while batch := list(itertools.islice(frames, self._predictor.batch_size)):
            for frame, record in self._predicted(batch):
                self._finish(frame, record)
                show(self._records.count + self.failed)

    def check(self) -> None:
        """Say so if frames have failed.

        Raises:
            UserError: with the number of them, and what the first one's error was.
        """
        if self._first is None:
            return
        told, error = self._first
        done = self._records.count
        if done:
            told = (
                f'{self.failed} of {self.failed + done} {self._unit}s failed, and the results of '
                f'the others are written; the first: {told}'
            )
        elif self.failed > 1:
            told = f'none of {self.failed} {self._unit}s gave a result; the first: {told}'
        raise UserError(told) from error

    def _predicted(self, batch: Sequence[Frame]) -> list[tuple[Frame, dict[str, Any]]]:
        try:
            return list(zip(batch, self._predictor.predict(batch), strict=True))
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
                return []
        # One by one, as only some of them may be at fault, or all too large together.
        return [pair for frame in batch for pair in self._predicted([frame])]

    def _finish(self, frame: Frame, record: dict[str, Any]) -> None:
        try:
            if (place := place_of_nan(record)) is not None:
                raise UserError(f'the model gives NaN: {place} is no finite number')
            if self._write:
                self._write(frame, self._predictor.draw(frame, record, self._score_thr))
        except OSError:
            raise  # a full disk is not the image's fault
        except Exception as error:
            self._fail(frame, error)
            return
        if 'label_map' in record:
            record['label_map'] = write_label_map(self._out, frame, record['label_map'])
        self._records.append(_place(frame) | record)
        if 'instances' in record:
            self.instances = (self.instances or 0) + len(record['instances'])

    def _fail(self, frame: Frame, error: Exception) -> None:
        where = frame.path if frame.index is None else f'frame {frame.index} of {frame.path}'
        told = f'{where}: {sentence_of(error)}'
        self._first = self._first or (told, error)
        self.failed += 1
        self._report(f'failed: {told}')
        if self.failed == MOST_FAILED and not self._records.count:
            self.check()
        if frame.index is not None and self._write:  # a drawn video keeps its length
            self._write(frame, as_picture(frame.image))


def _place(frame: Frame) -> dict[str, Any]:
    height, width = frame.image.shape[:2]
    number = {} if frame.index is None else {'frame': frame.index}
    return {'file': frame.name, **number, 'width': width, 'height': height}
