"""Semantic segmentation, with mmseg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.structures import BaseDataElement
from mmseg.models import BaseSegmentor

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.classes import ClassPredictor
from hrnet_mm.predict.drawing import draw_label_map


class SegmentationPredictor(ClassPredictor):
    """A segmentor of mmseg."""

    kinds = (BaseSegmentor,)
    score_thr = None

    def predict(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """Predict the class of every pixel.

        Returns:
            For each frame ``label_map``, (H, W) uint8 (uint16 if there are labels above 255), and
            ``classes``, the largest first, each with ``label``, ``category``, the label's name,
            and ``share`` of the pixels.

        Raises:
            UserError: the model gives no numbers, of which a label map would say nothing.
        """
        return [self._record(sample) for sample in self.samples(frames, 'pred_sem_seg')]

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """Lay the colours of the classes over the image."""
        labels = record['label_map']
        return draw_label_map(frame.image, labels, self.classes.colors_up_to(int(labels.max())))

    def _record(self, sample: BaseDataElement) -> dict[str, Any]:
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
        return {'label_map': labels.astype(np.min_scalar_type(largest)), 'classes': classes}
