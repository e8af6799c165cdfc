"""Medians and quartiles of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


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
