"""What COCO's evaluation knows of every image, beyond the averages that a metric returns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement

from hrnet_mm.report.evaluation.task import Task, file_of

IOU = 0.5  # from which on a detection is right

EVALUATIONS = ('COCOeval', 'COCOevalMP')


class CocoTask(Task):
    """Labels and predictions are those of COCO's own evaluation, which the metric has run.

    Attributes:
        files: the image's file by its id.
        evaluations: the metric's, once it is computed.
        threshold: predictions that score less are not drawn.
    """

    def __init__(self, metric: BaseMetric, cfg: Config) -> None:
        super().__init__(metric, cfg)
        self.files: dict[int, str] = {}
        self.evaluations: list[Any] = []
        self.threshold = 0.0
        keep_evaluations(metric, self.evaluations)

    def add(self, number: int, sample: BaseDataElement, result: Any) -> None:
        self.files[sample.img_id] = file_of(sample)

    def totals(self) -> Any:
        return self.files

    def merge(self, totals: Any) -> None:
        self.files |= totals


def keep_evaluations(metric: BaseMetric, kept: list[Any]) -> None:
    """Append to a list the ``COCOeval`` objects that a metric of a host makes and throws away.

    The metric computes what it would; only while it does is the name ``COCOeval`` in its module one
    of a function that keeps what it makes.
    """
    compute = metric.compute_metrics
    owner = getattr(type(metric), '_do_python_keypoint_eval', type(metric).compute_metrics)
    module = sys.modules[owner.__module__]

    def compute_and_keep(results: list[Any]) -> dict[str, float]:
        originals = {name: vars(module)[name] for name in EVALUATIONS if name in vars(module)}

        def keeping(original: Any) -> Any:
            def make(*args: Any, **kwargs: Any) -> Any:
                kept.append(original(*args, **kwargs))
                return kept[-1]

            return make

        try:
            for name, original in originals.items():
                setattr(module, name, keeping(original))
            return compute(results)
        finally:
            for name, original in originals.items():
                setattr(module, name, original)

    metric.compute_metrics = compute_and_keep  # type: ignore[method-assign]


@dataclass(frozen=True)
class Counts:
    """How many boxes or poses of an image are right.

    Attributes:
        image_id: of the image.
        labelled: those of the annotation that count.
        predicted: those that score enough and count.
        right: the predicted ones that meet a labelled one.
    """

    image_id: int
    labelled: int
    predicted: int
    right: int

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.labelled + self.predicted)


class Matches:
    """Which detections meet a label, by COCO's rules at an IoU (or OKS) of 0.5.

    Args:
        evaluation: after ``evaluate()``.

    Attributes:
        threshold: the score at which F1 over all images is the highest.
        f1: that F1.
    """

    def __init__(self, evaluation: Any) -> None:
        self._ids = list(evaluation.params.imgIds)
        place = {image_id: i for i, image_id in enumerate(self._ids)}
        self._labelled = np.zeros(len(self._ids), int)
        images, scores, right = [np.zeros(0, int)], [np.zeros(0)], [np.zeros(0, bool)]
        iou = int(np.abs(np.asarray(evaluation.params.iouThrs) - IOU).argmin())
        for found in _of_all_areas(evaluation):
            i = place[found['image_id']]
            self._labelled[i] += int(np.sum(np.asarray(found['gtIgnore']) == 0))
            counts = np.asarray(found['dtIgnore'])[iou] == 0
            scores.append(np.asarray(found['dtScores'], float)[counts])
            right.append(np.asarray(found['dtMatches'])[iou][counts] > 0)
            images.append(np.full(int(counts.sum()), i))
        self._images, self._scores = np.concatenate(images), np.concatenate(scores)
        self._right = np.concatenate(right)
        self.threshold, self.f1 = self._best()

    def _best(self) -> tuple[float, float]:
        if not len(self._scores):
            return 0.0, 0.0
        order = np.argsort(-self._scores, kind='stable')
        scores, right = self._scores[order], np.cumsum(self._right[order])
        f1 = 2 * right / (np.arange(1, len(scores) + 1) + self._labelled.sum())
        f1[:-1][scores[1:] == scores[:-1]] = -1  # a threshold takes all of a score, or none
        return float(scores[f1.argmax()]), float(f1.max())

    def counts(self) -> Iterator[Counts]:
        """Of each image in which something is labelled or predicted."""
        enough = self._scores >= self.threshold
        number = len(self._ids)
        predicted = np.bincount(self._images[enough], minlength=number)
        right = np.bincount(self._images[enough & self._right], minlength=number)
        for i in np.flatnonzero(self._labelled + predicted).tolist():
            yield Counts(self._ids[i], int(self._labelled[i]), int(predicted[i]), int(right[i]))


def _of_all_areas(evaluation: Any) -> Iterator[dict[str, Any]]:
    """What COCOeval found of each class and image, for objects of all sizes."""
    p = evaluation.params
    images, areas = len(p.imgIds), len(p.areaRng)
    classes = len(p.catIds) if p.useCats else 1
    for k in range(classes):
        start = k * areas * images
        yield from filter(None, evaluation.evalImgs[start : start + images])
