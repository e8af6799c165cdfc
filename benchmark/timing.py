"""Times of several functions, taken in turns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch

Call = Callable[[], object]
Measure = Callable[[Call], float]


def seconds_of(call: Call, device: str) -> float:
    """Seconds of one call until its result is there: by the GPU's clock, or the computer's."""
    if torch.device(device).type != 'cuda':
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def interleaved(
    calls: Mapping[str, Call],
    rounds: int,
    measure: Measure,
    turn_seconds: float = 0.0,
    on_round: Callable[[int], None] = lambda number: None,
) -> dict[str, list[float]]:
    """Measure A B C, A B C, ...: one sample of each function in every round.

    A sample is the mean of as many calls as fit into a turn. Where that is more than one, another
    call goes before them, which brings a function's own data back into the caches.

    Args:
        calls: the functions by name, each called before, so that it is warm.
        rounds: the number of samples of each.
        measure: gives the seconds of one call.
        turn_seconds: how long a turn should last at least.
        on_round: told the number of each round that is done.
    """
    lengths = {name: _calls_in_turn(measure(call), turn_seconds) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(1, rounds + 1):
        for name, call in calls.items():
            if lengths[name] > 1:
                call()
            times = [measure(call) for _ in range(lengths[name])]
            samples[name].append(sum(times) / len(times))
        on_round(number)
    return samples


def _calls_in_turn(seconds: float, turn_seconds: float) -> int:
    return max(1, math.ceil(turn_seconds / max(seconds, 1e-9)))
