"""Semantic segmentation, with mmseg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from mmengine.structures import BaseDataElement
from mmseg.models import BaseSegmentor

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.classes import Classes, ClassPredictor
from hrnet_mm.predict.drawing import draw_label_map
from hrnet_mm.predict.predictor import Prediction


def draw_record(
    classes: Classes, image: np.ndarray, record: dict[str, Any], score_thr: float, opacity: float
) -> np.ndarray:
    """Lay the colours of the classes over the image, with a legend."""
    found = record['classes']
    colors = classes.colors_up_to(max((entry['label'] for entry in found), default=0))
    return draw_label_map(image, record['label_map'], found, colors, classes.names, opacity)


class SegmentationPredictor(ClassPredictor):
    """A segmentor of mmseg."""

    kinds = (BaseSegmentor,)
    task = 'semantic segmentation'
    drawing_of_classes = staticmethod(draw_record)
    nothing: ClassVar[dict[str, Any]] = {'label_map': None, 'classes': []}
    draws_areas = True
    score_thr = None

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        """Predict the class of every pixel.

        Returns:
            For each frame the record: ``label_map``, (H, W) uint8 (uint16 if there are labels above
            255), and ``classes``, the largest first, each with ``label``, ``category``, the label's
            name, and ``share`` of the pixels.

        Raises:
            UserError: the model gives no numbers, of which a label map would say nothing.
        """
        return [self._prediction(sample) for sample in self.samples(frames, 'pred_sem_seg')]

    def _prediction(self, sample: BaseDataElement) -> Prediction:
        if 'seg_logits' in sample and not sample.seg_logits.data.isfinite().all():
            raise UserError('the model gives NaN')
        labels = sample.pred_sem_seg.data[0].cpu().numpy().astype(int)
        counts = np.bincount(labels.ravel())
        classes = [
            {
                'label': label,
                'category': self.classes.name(label),
                'share': round(count / labels.size, 6),
            }
            for label, count in enumerate(counts.tolist())
            if count
        ]
        classes.sort(key=lambda part: -part['share'])
        largest = max(len(self.classes.names), len(counts)) - 1
        label_map = labels.astype(np.min_scalar_type(largest))
        fields = {'label_map': label_map, 'class_names': self.classes.names}
        return Prediction({'label_map': label_map, 'classes': classes}, fields)
