"""Detection: what COCO's evaluation says of every class, and of every image."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.evaluation import CocoMetric
from mmengine.config import Config

from hrnet_mm.predict.classes import read_classes
from hrnet_mm.predict.detection import draw_record
from hrnet_mm.predict.drawing import OPACITY
from hrnet_mm.report.evaluation.cases import Case
from hrnet_mm.report.evaluation.coco import CocoTask, Counts, Matches
from hrnet_mm.report.evaluation.task import Table

KINDS = {'bbox': 'box', 'segm': 'mask'}
MAX_DETS = 100  # of an image; mAP is of so many


class Detection(CocoTask):
    """Boxes, and masks if they are measured."""

    ranked_by = 'F1, by boxes that meet a labelled one of their class at an IoU of 0.5'

    def __init__(self, metric: CocoMetric, cfg: Config) -> None:
        super().__init__(metric, cfg)
        self.classes = read_classes(metric.dataset_meta, cfg)

    def finish(self) -> None:
        self.evaluations = [e for e in self.evaluations if e.params.useCats]  # no proposals
        if not self.evaluations:
            return
        matches = Matches(self.evaluations[0])
        self.threshold = matches.threshold
        self.ranked_by += (
            f', among those that score {matches.threshold:.3f} or more, where F1 over all images '
            f'is the highest: {matches.f1:.3f}'
        )
        for found in matches.counts():
            # Of equals the image with more mistakes is worse, the one with more right is better.
            goodness = found.f1, 2 * found.right - found.labelled - found.predicted, found.right
            self.cases.offer(goodness, found.image_id, lambda found=found: self._case(found))

    def tables(self) -> list[Table]:
        if not self.evaluations:
            return []
        ids = list(self.evaluations[0].params.catIds)
        header, columns = ['class', 'labelled'], [self._labelled(ids)]
        for evaluation in self.evaluations:
            kind = KINDS.get(evaluation.params.iouType, evaluation.params.iouType)
            for name, values in average_precisions(evaluation).items():
                header.append(f'{kind} {name}')
                columns.append(values)
        names = [self.classes.name(label) for label in range(len(ids))]
        means: list[Any] = [int(sum(columns[0]))]
        means += [
            np.nanmean(column) if np.isfinite(column).any() else None for column in columns[1:]
        ]
        rows = [(name, *row) for name, *row in zip(names, *columns, strict=True)]
        note = (
            "AP of each class from the evaluation itself; the mean of the classes is the metrics' "
            'mAP. A dash: the class is not labelled.'
        )
        colors = self.classes.colors_up_to(len(names) - 1)
        rows.append(('all, mean', *means))
        return [Table('Classes', tuple(header), rows, note, colors=colors)]

    def _labelled(self, ids: list[int]) -> list[int]:
        evaluation = self.evaluations[0]
        images, counts = set(evaluation.params.imgIds), dict.fromkeys(ids, 0)
        for annotation in evaluation.cocoGt.anns.values():
            category, is_crowd = annotation['category_id'], annotation.get('iscrowd')
            if annotation['image_id'] in images and category in counts and not is_crowd:
                counts[category] += 1
        return list(counts.values())

    def _case(self, found: Counts) -> Case:
        truths = self.evaluations[0].cocoGt.imgToAnns[found.image_id]
        predicted = self.evaluations[0].cocoDt.imgToAnns[found.image_id]
        enough = [entry for entry in predicted if entry['score'] >= self.threshold]
        return Case(
            self.files.get(found.image_id, ''),
            f'F1 {found.f1:.2f}: {found.labelled} labelled, {found.predicted} predicted, '
            f'{found.right} right',
            dict(instances=self._instances(truths, None)),
            dict(instances=self._instances(enough, self._masks())),
        )

    def _masks(self) -> dict[int, Any] | None:
        """The predicted masks by the number of their box, if masks are measured."""
        for evaluation in self.evaluations:
            if evaluation.params.iouType == 'segm':
                return evaluation.cocoDt.anns
        return None

    def _instances(self, entries: list[Any], masks: dict[int, Any] | None) -> list[dict[str, Any]]:
        """Annotations or results of COCO as a record has them."""
        evaluation = self.evaluations[-1]
        labels = {category: label for label, category in enumerate(evaluation.params.catIds)}
        instances = []
        for entry in entries:
            label = labels.get(entry['category_id'])
            if label is None:
                continue  # a category that the config leaves out
            category = self.classes.name(label) + ' (crowd)' * bool(entry.get('iscrowd'))
            instance = dict(bbox=entry['bbox'], score=1.0, label=label, category=category)
            if 'score' in entry:
                instance['score'] = entry['score']
                if masks is not None and entry['id'] in masks:
                    instance['mask'] = masks[entry['id']]['segmentation']
            elif evaluation.params.iouType == 'segm':
                instance['mask'] = evaluation.cocoGt.annToRLE(entry)
            instances.append(instance)
        return instances

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        label, prediction = (
            draw_record(self.classes, image, record, 0, OPACITY)
            for record in (case.label, case.prediction)
        )
        return label, prediction, ''


def average_precisions(evaluation: Any) -> dict[str, list[float]]:
    """AP, AP50 and AP75 of every class, NaN where nothing of it is labelled."""
    # precision: (IoUs, recalls, classes, areas, numbers of detections), -1 where undefined
    most = list(evaluation.params.maxDets)
    ious = np.asarray(evaluation.params.iouThrs)
    all_sizes = evaluation.eval['precision'][:, :, :, 0]
    at_most = all_sizes[..., most.index(MAX_DETS) if MAX_DETS in most else -1]
    found = {'AP': [_mean(at_most[:, :, k]) for k in range(at_most.shape[2])]}
    for name, iou in (('AP50', 0.5), ('AP75', 0.75)):
        where = np.isclose(ious, iou)
        if where.any():
            last = all_sizes[where][..., -1]
            found[name] = [_mean(last[:, :, k]) for k in range(last.shape[2])]
    return found


def _mean(precision: np.ndarray) -> float:
    defined = precision[precision > -1]
    return float(defined.mean()) if defined.size else float('nan')
