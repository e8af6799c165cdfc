"""The images of a test that went worst and best, found while the test runs, in constant memory."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SHOWN = 6  # worst, and best


@dataclass(frozen=True)
class Case:
    """One image of a test.

    Attributes:
        file: the image.
        text: its score, and what else is said of it.
        label: what the annotation says, a record as predictions.json has it.
        prediction: what the model says, in the same form.
    """

    file: str
    text: str
    label: dict[str, Any]
    prediction: dict[str, Any]


@dataclass(frozen=True)
class Ranked:
    """A case with what it is sorted by: the lowest first; of equals that of the lower number."""

    goodness: tuple[float, ...]
    number: int
    case: Case

    @property
    def key(self) -> tuple[tuple[float, ...], int]:
        return self.goodness, self.number

    def __lt__(self, other: Ranked) -> bool:
        return self.key < other.key


class Extremes:
    """The worst and the best of all cases that are offered.

    Args:
        shown: how many of each are kept.

    Attributes:
        count: of the cases that were offered.
    """

    def __init__(self, shown: int = SHOWN) -> None:
        self.count = 0
        self._shown = shown
        self._lowest: list[Ranked] = []
        self._highest: list[Ranked] = []

    def offer(self, goodness: tuple[float, ...], number: int, make: Callable[[], Case]) -> None:
        """Keep a case if it is among the worst or the best so far.

        Args:
            goodness: the higher, the better.
            number: of the image; no other has it.
            make: makes the case; not called for one that is not kept.
        """
        self.count += 1
        key = (goodness, number)
        is_low = len(self._lowest) < self._shown or key < self._lowest[-1].key
        is_high = len(self._highest) < self._shown or key > self._highest[0].key
        if is_low or is_high:
            self._keep(Ranked(goodness, number, make()), is_low, is_high)

    def merge(self, other: Extremes) -> None:
        """Take in what another process has kept."""
        self.count += other.count
        for ranked in other._lowest:
            self._keep(ranked, True, False)
        for ranked in other._highest:
            self._keep(ranked, False, True)

    def worst(self) -> list[Case]:
        """The worst first. Where there are few, each is among the worst or the best."""
        return [ranked.case for ranked in self._sorted()[: self._half()]]

    def best(self) -> list[Case]:
        """The best first."""
        chosen = self._sorted()[self._half() :]
        return [ranked.case for ranked in reversed(chosen)][: self._shown]

    def _keep(self, ranked: Ranked, is_low: bool, is_high: bool) -> None:
        if is_low:
            insort(self._lowest, ranked)
            del self._lowest[self._shown :]
        if is_high:
            insort(self._highest, ranked)
            del self._highest[: -self._shown]

    def _sorted(self) -> list[Ranked]:
        return sorted({ranked.number: ranked for ranked in self._lowest + self._highest}.values())

    def _half(self) -> int:
        return min(self._shown, -(-self.count // 2))
