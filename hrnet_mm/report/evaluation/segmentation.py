"""Semantic segmentation: what mmseg's IoUMetric measures, class by class and image by image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from mmseg.evaluation import IoUMetric

from hrnet_mm.predict.classes import read_classes
from hrnet_mm.report.evaluation.cases import Case
from hrnet_mm.report.evaluation.task import Table, Task, file_of
from hrnet_mm.report.label_maps import painted


class Segmentation(Task):
    """Areas are the metric's own: of each image (intersection, union, prediction, label)."""

    ranked_by = 'the mean IoU over the classes that are in its label or its prediction'

    def __init__(self, metric: IoUMetric, cfg: Config) -> None:
        super().__init__(metric, cfg)
        self.classes = read_classes(metric.dataset_meta, cfg)
        self.areas = torch.zeros(4, len(metric.dataset_meta['classes']))

    def add(self, number: int, sample: BaseDataElement, result: Any) -> None:
        areas = torch.stack([area.cpu() for area in result])
        self.areas = self.areas.double() + areas  # whole numbers: exact in any order
        intersection, union = areas[:2]
        present = union > 0
        if not present.any():
            return  # nothing of it is labelled
        mean = float((intersection[present] / union[present]).mean())
        self.cases.offer(
            (mean,),
            number,
            lambda: Case(
                file_of(sample),
                f'mean IoU {100 * mean:.1f}',
                dict(label_map=_packed(sample.gt_sem_seg.data)),
                dict(label_map=_packed(sample.pred_sem_seg.data)),
            ),
        )

    def totals(self) -> Any:
        return self.areas

    def merge(self, totals: Any) -> None:
        self.areas = self.areas + totals

    def tables(self) -> list[Table]:
        metric = self.metric
        measured = metric.total_area_to_metrics(
            *self.areas, metric.metrics, metric.nan_to_num, metric.beta
        )
        by_class = {name: values for name, values in measured.items() if np.ndim(values)}
        share_of_pixels = self.areas[3] / self.areas[3].sum().clamp(min=1)
        columns = [100 * np.asarray(values, np.float64) for values in by_class.values()]
        rows = [
            (self.classes.name(label), 100 * float(share_of_pixels[label]), *row)
            for label, row in enumerate(np.stack(columns, axis=1).tolist())
        ]
        means = [float(np.nanmean(column)) for column in columns]
        return [
            Table(
                'Classes',
                ('class', '% of the labelled pixels', *by_class),
                [*rows, ('mean', None, *means)],
                'In percent. A dash: nothing of the class is labelled (or predicted).',
                digits=2,
                colors=self.classes.colors_up_to(len(rows) - 1),
            )
        ]

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        label, prediction = (
            painted(image, _unpacked(record['label_map']), self.classes)
            for record in (case.label, case.prediction)
        )
        return label, prediction, ''


def _packed(labels: torch.Tensor) -> bytes:
    """A label map (1, H, W) as a PNG file, which is far smaller."""
    array = labels.squeeze(0).cpu().numpy()
    return cv2.imencode('.png', array.astype(np.uint16))[1].tobytes()


def _unpacked(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
