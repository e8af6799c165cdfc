"""The rate of a run's networks alone, beside which that of the whole run is set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from hrnet_mm.base.boxes import BoxesOf
from hrnet_mm.base.images import Frame


class NetworkClock:
    """How many images a second the networks of a run would take if nothing else took time."""

    def __init__(self) -> None:
        self._detecting = 0.0  # seconds
        self._times: list[float] = []  # after the first batch, and after the last
        self._count = 0

    def timing(self, boxes_of: BoxesOf) -> BoxesOf:
        """The same function, whose time counts as that of a network: a detector is one."""

        def timed(frames: Sequence[Frame]) -> list[Any]:
            start = time.perf_counter()
            try:
                return boxes_of(frames)
            finally:
                self._detecting += time.perf_counter() - start

        return timed

    def note(self, seconds: float) -> None:
        """One more image is predicted; ``seconds``: of the model so far."""
        self._count += 1
        self._times[1:] = [seconds + self._detecting]

    def rate(self, batch_size: int) -> float | None:
        """Images a second after the first batch, in which an engine is made; None: no second."""
        later = self._count - batch_size
        if later <= 0 or self._times[-1] <= self._times[0]:
            return None
        return later / (self._times[-1] - self._times[0])
