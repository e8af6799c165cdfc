"""Keypoints in given boxes, as faces have them: mmpose's NME and PCK, landmark by landmark."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement
from mmpose.evaluation.metrics import NME, MpiiPCKAccuracy

from hrnet_mm.report.evaluation.cases import Case
from hrnet_mm.report.evaluation.pose_pictures import PosePictures, names_of
from hrnet_mm.report.evaluation.task import Table, Task, file_of, share

SIZES = ('bbox_size', 'head_size', 'torso_size')  # by which PCK divides, the first that there is
MARGIN = 0.1  # of the size of the points, around them: a box


class Landmarks(Task):
    """Distances are divided by what the metric divides them by."""

    ranked_by = 'the mean distance of its landmarks from the labelled ones'

    def __init__(self, metric: BaseMetric, cfg: Config) -> None:
        super().__init__(metric, cfg)
        self.names = names_of(metric.dataset_meta)
        self.pictures = PosePictures(metric.dataset_meta)
        # Of each landmark: how often it is labelled, the sum of distances, how often it is near.
        self.sums = np.zeros((3, len(self.names)))
        # MPII's metric counts the pixels of predictions from 1, as its annotations do.
        self.shift = 1.0 if isinstance(metric, MpiiPCKAccuracy) else 0.0
        self.near = float(getattr(metric, 'thr', 0.1))  # of the size

    def add(self, number: int, sample: BaseDataElement, result: Any) -> None:
        size = self._size(result)
        [points], [truth], [labelled] = result['pred_coords'], result['gt_coords'], result['mask']
        if not labelled.any() or not size > 0:
            return
        offsets = points[:, :2] - truth[:, :2] + self.shift
        distances = np.linalg.norm(offsets, axis=1) / size
        self.sums += labelled * [np.ones_like(distances), distances, distances < self.near]
        mean = float(distances[labelled].mean())
        scores = sample.pred_instances.keypoint_scores[0]
        self.cases.offer(
            (-mean,),
            number,
            lambda: Case(
                file_of(sample),
                f'mean distance {mean:.3f}',
                _record(truth, labelled),
                _record(points, scores),
            ),
        )

    def _size(self, result: dict[str, Any]) -> float:
        """What distances are divided by."""
        metric = self.metric
        if not isinstance(metric, NME):
            return float(next(result[name] for name in SIZES if name in result).ravel()[0])
        if metric.norm_mode == 'use_norm_item':
            return float(result[metric.norm_item].ravel()[0])
        indices = metric.keypoint_indices
        if indices is None:
            indices = metric.DEFAULT_KEYPOINT_INDICES[metric.dataset_meta['dataset_name']]
        first, second = result['gt_coords'][0, list(indices)]
        return float(np.linalg.norm(first - second))

    def totals(self) -> Any:
        return self.sums

    def merge(self, totals: Any) -> None:
        self.sums = self.sums + totals

    def tables(self) -> list[Table]:
        rows = [_row(name, *sums) for name, sums in zip(self.names, self.sums.T, strict=True)]
        if isinstance(self.metric, NME):
            by = 'the size by which NME divides; the last line, of all labelled landmarks, is NME'
        else:
            by = 'the size by which PCK divides'
        near = f'within {self.near:g}, %'
        return [
            Table(
                'Landmarks',
                ('landmark', 'labelled', 'mean distance', near),
                [*rows, _row('all', *self.sums.sum(axis=1))],
                f'Distances are divided by {by}.',
                digits=4,
            )
        ]

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        return self.pictures.draw(image, case)


def _row(name: str, count: float, distance: float, near: float) -> tuple[Any, ...]:
    return name, int(count), share(distance, count), share(100 * near, count)


def _record(points: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Landmarks (K, 2) with their scores, and a box around them."""
    first, last = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    first, size = first - MARGIN * (last - first), (1 + 2 * MARGIN) * (last - first)
    keypoints = np.column_stack([points[:, :2], scores])
    return dict(instances=[dict(bbox=[*first, *size], bbox_score=1, keypoints=keypoints)])
