"""What the page tells of a task, collected while the test runs: one class a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement

from hrnet_mm.report.evaluation.cases import Case, Extremes

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        title: a few words.
        header: of each column.
        rows: of cells; None is written as a dash.
        note: a sentence on what the columns are.
        digits: of numbers that are not whole, and not in percent.
        colors: (N, 3) BGR, those in which the first N rows are drawn, if they are.
    """

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    note: str
    digits: int = 3
    colors: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.uint8), compare=False)


class Task(ABC):
    """Collects what the page tells beyond the metrics. Each process of a test has one.

    Args:
        metric: the evaluator's, whose results are read and left as they are.
        cfg: of the test.

    Attributes:
        ranked_by: in words, by what images are the worst and the best.
        cases: those images.
    """

    ranked_by: str

    def __init__(self, metric: BaseMetric, cfg: Config) -> None:
        self.metric = metric
        self.cfg = cfg
        self.cases = Extremes()

    @abstractmethod
    def add(self, number: int, sample: BaseDataElement, result: Any) -> None:
        """Take in an image.

        Args:
            number: its place in the dataset.
            sample: the host's, with labels and predictions.
            result: what the metric has kept of it.
        """

    @abstractmethod
    def totals(self) -> Any:
        """What :meth:`merge` takes of another process, beside the cases."""

    @abstractmethod
    def merge(self, totals: Any) -> None:
        """Take in the totals of another process."""

    def finish(self) -> None:  # noqa: B027  (most have nothing to do)
        """Called in the first process once the metrics are computed."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """The tables of the page."""

    @abstractmethod
    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        """The label and the prediction of a case in its image, (H, W, 3) uint8 BGR each, and what
        is to be said of the pictures."""


def file_of(sample: BaseDataElement) -> str:
    """The image's file; empty where the pipeline does not pack it."""
    return str(sample.get('img_path') or '')


def share(part: float, whole: float) -> float | None:
    """``part / whole``; None of nothing."""
    return float(part) / float(whole) if whole else None
