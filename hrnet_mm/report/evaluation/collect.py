"""A hook that looks over the shoulder of a test: it reads what the metrics keep of each image."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from typing import Any

from mmengine.dist import all_gather_object, get_dist_info, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from hrnet_mm.base.errors import sentence_of
from hrnet_mm.report.evaluation.task import Task

# What is collected, by the host and the class of a metric (or one that it inherits from).
TASKS = {
    ('mmpose', 'CocoMetric'): 'pose:Pose',
    ('mmpose', 'NME'): 'landmarks:Landmarks',
    ('mmpose', 'PCKAccuracy'): 'landmarks:Landmarks',
    ('mmdet', 'CocoMetric'): 'detection:Detection',
    ('mmseg', 'IoUMetric'): 'segmentation:Segmentation',
    ('mmpretrain', 'Accuracy'): 'classification:Classification',
    ('mmpretrain', 'SingleLabelMetric'): 'classification:Classification',
}


class Collector(Hook):
    """Collects what a page tells of a test beyond the metrics. It never makes a test fail.

    Attributes:
        task: what was collected; None where no metric is known, or nothing could be collected.
        why_not: a sentence on that; empty where there is a task.
        images: how many were tested, of top-down models people.
        is_first: whether this is the first process of the test, which alone writes the page.
    """

    def __init__(self) -> None:
        self.task: Task | None = None
        self.why_not = 'the test has not begun'
        self.images = 0
        self.is_first = True
        self._done = 0  # by this process

    def before_test_epoch(self, runner: Runner) -> None:
        self.is_first = is_main_process()  # afterwards the group of the processes is left
        self.images = len(runner.test_loop.dataloader.dataset)
        evaluator = runner.test_loop.evaluator
        metrics = evaluator.metrics
        self.why_not = f'nothing is known here of {", ".join(type(m).__name__ for m in metrics)}'
        if type(evaluator) is not Evaluator:  # mmpose's, of several datasets at once
            return
        for metric in metrics:
            name = _task_of(metric)
            if name is not None:
                self._try(lambda name=name, metric=metric: self._begin(name, metric, runner))
                return

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        if self.task is not None and outputs:
            self._try(lambda: self._add(outputs))

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        task = self.task
        mine = None if task is None else (task.totals(), task.cases)
        _, world = get_dist_info()
        parts = [mine] if world == 1 else all_gather_object((mine, self.why_not))
        if world > 1:
            self.why_not = next((why for part, why in parts if part is None), self.why_not)
            parts = [part for part, _ in parts]
        if any(part is None for part in parts):
            self.task = None
        elif self.is_first:
            self._try(lambda: self._finish(parts[1:]))

    def _begin(self, name: str, metric: Any, runner: Runner) -> None:
        task = pkgutil.resolve_name(f'hrnet_mm.report.evaluation.{name}')
        self.task = task(metric, runner.cfg)
        self.why_not = ''

    def _add(self, outputs: Sequence[BaseDataElement]) -> None:
        rank, world = get_dist_info()
        results = self.task.metric.results
        for sample, result in zip(outputs, results[-len(outputs) :], strict=True):
            # As MMEngine puts the results of several processes in order, and leaves out those of
            # the images that it repeats so that each process has as many.
            number = self._done * world + rank
            self._done += 1
            if number < self.images:
                self.task.add(number, sample, result)

    def _finish(self, parts: Sequence[Any]) -> None:
        for totals, cases in parts:
            self.task.merge(totals)
            self.task.cases.merge(cases)
        self.task.finish()

    def _try(self, step: Any) -> None:
        try:
            step()
        except Exception as error:  # the metrics must not be lost
            self.task = None
            self.why_not = f'{sentence_of(error)} ({type(error).__name__})'


def _task_of(metric: Any) -> str | None:
    for kind in type(metric).__mro__:
        name = TASKS.get((kind.__module__.partition('.')[0], kind.__name__))
        if name is not None:
            return name
    return None
