"""Object detection and instance segmentation, with mmdet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmdet.models import BaseDetector
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from hrnet_mm.base.images import Frame
from hrnet_mm.predict.classes import ClassPredictor
from hrnet_mm.predict.drawing import draw_instances
from hrnet_mm.predict.results import rounded


class DetectionPredictor(ClassPredictor):
    """A detector of mmdet, with masks or without."""

    kinds = (BaseDetector,)

    def detect(self, frames: Sequence[Frame]) -> Iterator[InstanceData]:
        """Find instances.

        Returns:
            For each frame, as arrays: ``bboxes`` (N, 4) of x1, y1, x2, y2 in pixels, ``scores``
            (N,), ``labels`` (N,) and perhaps ``masks`` (N, H, W).

        Raises:
            UserError: the model gives something else than instances.
        """
        for sample in self.samples(frames, 'pred_instances'):
            yield sample.pred_instances.numpy()

    def predict(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """Find instances.

        Returns:
            For each frame ``{'instances': [...]}``, each instance with ``bbox`` [x, y, w, h] in
            pixels of the image, ``score``, ``label``, ``category``, the label's name, and where
            the model gives masks ``mask``, COCO's compressed run-length encoding.
        """
        return [{'instances': self._instances(found)} for found in self.detect(frames)]

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """Draw boxes, names and masks."""
        instances = record['instances']
        colors = self.classes.colors_up_to(max((i['label'] for i in instances), default=0))
        return draw_instances(frame.image, instances, colors, score_thr)

    def _instances(self, found: InstanceData) -> list[dict[str, Any]]:
        instances = [
            {
                'bbox': rounded([x1, y1, x2 - x1, y2 - y1], 2),
                'score': round(float(score), 4),
                'label': int(label),
                'category': self.classes.name(label),
            }
            for (x1, y1, x2, y2), score, label in zip(
                found.bboxes, found.scores, found.labels, strict=True
            )
        ]
        if 'masks' in found:
            for instance, mask in zip(instances, found.masks, strict=True):
                instance['mask'] = _run_lengths(mask)
        return instances


def _run_lengths(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {'size': encoded['size'], 'counts': encoded['counts'].decode('ascii')}
