"""Poses: the object keypoint similarity (OKS) of every image and every keypoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
from mmengine.config import Config
from mmpose.evaluation.metrics import CocoMetric

from hrnet_mm.report.evaluation.cases import Case
from hrnet_mm.report.evaluation.coco import CocoTask, Matches
from hrnet_mm.report.evaluation.pose_pictures import PosePictures, names_of
from hrnet_mm.report.evaluation.task import Table, share

PARTS = ('keypoints', 'foot_kpts', 'face_kpts', 'lefthand_kpts', 'righthand_kpts')
SHARE_OF_BOX = 0.53  # which xtcocotools takes for the area of a person, where areas are not used
EPSILON = 1e-9  # relative; between two ways to compute the same number


class Pose(CocoTask):
    """People with keypoints, of whole bodies with those of all parts."""

    ranked_by = 'the mean OKS of the labelled people, each with the prediction that fits it best'

    def __init__(self, metric: CocoMetric, cfg: Config) -> None:
        super().__init__(metric, cfg)
        self.names = names_of(metric.dataset_meta)
        self.pictures = PosePictures(metric.dataset_meta)
        self._fitting: set[int] = set()  # the predictions that fit a labelled person best
        self.keypoints: np.ndarray | None = np.zeros((3, len(self.names)))

    def finish(self) -> None:
        if not self.evaluations:
            return
        evaluation = self.evaluations[-1]  # of whole bodies the last is of all parts
        if self.metric.iou_type == 'keypoints_crowd':  # whose last evaluation is of hard images
            evaluation.params.imgIds = sorted(evaluation.cocoGt.imgs)
            with redirect_stdout(StringIO()):
                evaluation.evaluate()
        self.threshold = Matches(evaluation).threshold
        for image_id in evaluation.params.imgIds:
            similarities = list(self._people(evaluation, image_id))
            if similarities:
                mean, people = float(np.mean(similarities)), len(similarities)
                self.cases.offer(
                    (mean, people),
                    image_id,
                    lambda image_id=image_id, mean=mean, people=people: self._case(
                        image_id, f'mean OKS {mean:.3f} of {people} labelled'
                    ),
                )

    def _people(self, evaluation: Any, image_id: int) -> Iterator[float]:
        """The OKS of every labelled person, as evaluated; adds up those of the keypoints."""
        for category in evaluation.params.catIds:
            truths = evaluation._gts[image_id, category]
            ious = np.asarray(evaluation.ious[image_id, category])
            found = _sorted_as_evaluated(evaluation, evaluation._dts[image_id, category])
            for number, truth in enumerate(truths):
                if truth['ignore'] or truth.get('iscrowd'):
                    continue
                if not len(found):
                    self._count(truth, None, evaluation, 0.0)
                    yield 0.0
                    continue
                best = int(ious[:, number].argmax())
                similarity = float(ious[best, number])
                self._fitting.add(found[best]['id'])
                self._count(truth, found[best], evaluation, similarity)
                yield similarity

    def _count(self, truth: Any, found: Any, evaluation: Any, expected: float) -> None:
        """Add the similarities of a person's keypoints, whose mean must be the person's OKS."""
        if self.keypoints is None:
            return
        points = self._points(truth)
        labelled = points[:, 2] > 0
        similarities = np.zeros(len(points))
        if found is not None:
            similarities = keypoint_similarities(
                points, self._points(found), self._area(truth, evaluation), self._sigmas()
            )
        if not np.isclose(similarities[labelled].mean(), expected, rtol=EPSILON, atol=EPSILON):
            self.keypoints = None  # evaluated in a way that is not known here: no table
            return
        self.keypoints += labelled * [np.ones(len(points)), similarities, similarities >= 0.5]

    def _points(self, annotation: Any) -> np.ndarray:
        """Keypoints (K, 3) of x, y and visibility; of whole bodies those of all parts."""
        points = annotation['keypoints']
        if len(points) != 3 * len(self.names):
            points = [number for part in PARTS for number in annotation.get(part, ())]
        return np.reshape(points, (-1, 3)).astype(np.float64)

    def _area(self, truth: Any, evaluation: Any) -> float:
        if getattr(evaluation, 'use_area', True) and 'area' in truth:
            return truth['area']
        return truth['bbox'][2] * truth['bbox'][3] * SHARE_OF_BOX

    def _sigmas(self) -> np.ndarray:
        return np.asarray(self.metric.dataset_meta['sigmas'])  # float32, as evaluated

    def tables(self) -> list[Table]:
        if not self.evaluations or self.keypoints is None:
            return []
        sums = np.column_stack([self.keypoints, self.keypoints.sum(axis=1)]).T
        rows = [
            (name, int(count), share(total, count), share(100 * near, count))
            for name, (count, total, near) in zip([*self.names, 'all'], sums, strict=True)
        ]
        note = (
            'Similarity is the term of OKS, from 0 to 1, of a keypoint of the prediction that fits '
            'a labelled person best; 0 where nothing is predicted.'
        )
        header = ('keypoint', 'labelled', 'mean similarity', 'of 0.5 and more, %')
        return [Table('Keypoints', header, rows, note)]

    def _case(self, image_id: int, text: str) -> Case:
        evaluation = self.evaluations[-1]
        truths = [a for a in evaluation.cocoGt.imgToAnns[image_id] if not a.get('iscrowd')]
        found = [
            a
            for a in evaluation.cocoDt.imgToAnns[image_id]
            if a['score'] >= self.threshold or a['id'] in self._fitting
        ]
        label = [self._instance(a, self._points(a)[:, 2] > 0) for a in truths]
        prediction = [self._instance(a, self._points(a)[:, 2]) for a in found]
        return Case(
            self.files.get(image_id, ''),
            text,
            dict(instances=[instance for instance in label if instance['keypoints'][:, 2].any()]),
            dict(instances=prediction),
        )

    def _instance(self, annotation: Any, scores: np.ndarray) -> dict[str, Any]:
        points = np.column_stack([self._points(annotation)[:, :2], scores])
        return dict(bbox=list(annotation['bbox']), bbox_score=1, keypoints=points)

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        return self.pictures.draw(image, case)


def keypoint_similarities(
    truth: np.ndarray, found: np.ndarray, area: float, sigmas: np.ndarray
) -> np.ndarray:
    """The terms whose mean over the labelled keypoints is COCO's OKS: (K,).

    Args:
        truth: (K, 2 or more) of x, y.
        found: as ``truth``.
        area: of the person.
        sigmas: (K,), the standard deviations of the keypoints, as shares of the person's size.
    """
    squared = ((truth[:, :2] - found[:, :2]) ** 2).sum(axis=1)
    return np.exp(-squared / (2 * sigmas) ** 2 / (area + np.spacing(1)) / 2)


def _sorted_as_evaluated(evaluation: Any, found: list[Any]) -> list[Any]:
    """Detections in the order of the rows of ``evaluation.ious``."""
    key = getattr(evaluation, 'score_key', 'score')
    order = np.argsort([-entry.get(key, entry['score']) for entry in found], kind='mergesort')
    return [found[i] for i in order[: evaluation.params.maxDets[-1]]]
