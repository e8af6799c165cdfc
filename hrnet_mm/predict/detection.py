"""Object detection and instance segmentation, with mmdet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from mmdet.models import BaseDetector
from mmengine.config import Config
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from hrnet_mm.base.images import Frame
from hrnet_mm.predict.classes import Classes, ClassPredictor
from hrnet_mm.predict.drawing import draw_instances
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.predictor import Prediction
from hrnet_mm.predict.results import rounded


def draw_record(
    classes: Classes, image: np.ndarray, record: dict[str, Any], score_thr: float, opacity: float
) -> np.ndarray:
    """Draw boxes, names and masks."""
    instances = record['instances']
    colors = classes.colors_up_to(max((i['label'] for i in instances), default=0))
    return draw_instances(image, instances, colors, score_thr, opacity)


def decoded(masks: Sequence[dict[str, Any]], size: tuple[int, int]) -> np.ndarray:
    """Masks (N, H, W) bool of COCO's run-length encodings."""
    if not masks:
        return np.zeros((0, *size), bool)
    return np.stack([coco_mask.decode(mask).astype(bool) for mask in masks])


class DetectionPredictor(ClassPredictor):
    """A detector of mmdet, with masks or without."""

    kinds = (BaseDetector,)
    drawing_of_classes = staticmethod(draw_record)

    def __init__(self, model: HostModel, cfg: Config, batch_size: int | None) -> None:
        super().__init__(model, cfg, batch_size)
        self.draws_areas = getattr(model.module, 'with_mask', False)
        self.task = 'instance segmentation' if self.draws_areas else 'detection'

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

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        """Find instances.

        Returns:
            For each frame the record ``{'instances': [...]}``, each with ``bbox`` [x, y, w, h] in
            pixels of the image, ``score``, ``label``, ``category``, the label's name, and where
            the model gives masks ``mask``, COCO's compressed run-length encoding.
        """
        return [
            self._prediction(found, frame.image.shape[:2])
            for frame, found in zip(frames, self.detect(frames), strict=True)
        ]

    def _prediction(self, found: InstanceData, size: tuple[int, int]) -> Prediction:
        instances = self._instances(found)
        fields = {
            'boxes': found.bboxes,
            'box_scores': found.scores,
            'scores': found.scores,
            'labels': found.labels,
            'names': tuple(instance['category'] for instance in instances),
            'class_names': self.classes.names,
        }
        if 'masks' in found:
            masks = [instance['mask'] for instance in instances]
            fields['masks'] = partial(decoded, masks, size)  # a frame in full size would be large
        return Prediction({'instances': instances}, fields)

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
                instance['mask'] = run_lengths(mask)
        return instances


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """COCO's run-length encoding of a mask (H, W), of what JSON knows."""
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {'size': encoded['size'], 'counts': encoded['counts'].decode('ascii')}
