"""Times of several functions, taken in turns, and their medians and quartiles."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
    lengths = {
        name: max(1, math.ceil(turn_seconds / max(measure(call), 1e-9)))
        for name, call in calls.items()
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(1, rounds + 1):
        for name, call in calls.items():
            if lengths[name] > 1:
                call()
            times = [measure(call) for _ in range(lengths[name])]
            samples[name].append(sum(times) / len(times))
        on_round(number)
    return samples


@dataclass(frozen=True)
class Spread:
    """The median and the quartiles, between which half of all samples lie."""

    median: float
    low: float
    high: float


def spread_of(samples: Sequence[float]) -> Spread:
    """Median and quartiles; of one sample, three times that."""
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0])
    low, median, high = statistics.quantiles(samples, n=4, method='inclusive')
    return Spread(median, low, high)


def speedups(baseline: Sequence[float], samples: Sequence[float]) -> list[float]:
    """How many times as fast as the baseline, round by round.

    The two times of a round were taken one after the other, so that what slows the whole machine
    for a while is in both.
    """
    return [reference / sample for reference, sample in zip(baseline, samples, strict=True)]
