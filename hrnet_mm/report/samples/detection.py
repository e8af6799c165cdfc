"""Targets of mmdet's models: boxes, masks, and boxes that the loss ignores."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmengine.structures import BaseDataElement, InstanceData

from hrnet_mm.predict.classes import classes_of
from hrnet_mm.predict.detection import draw_record, run_lengths
from hrnet_mm.predict.drawing import OPACITY
from hrnet_mm.report.label_maps import hatched, painted


def draw(
    image: np.ndarray, labels: BaseDataElement, meta: dict[str, Any]
) -> tuple[list[np.ndarray], str]:
    """The input with boxes, names and masks; what is ignored is hatched."""
    classes = classes_of(meta)
    found = labels.gt_instances
    instances = [
        dict(
            bbox=[*box[:2], *(box[2:] - box[:2])],
            score=1,
            label=label,
            category=classes.name(label),
        )
        for box, label in zip(_boxes(found), found.labels.tolist(), strict=True)
    ]
    if 'masks' in found and instances:
        for instance, mask in zip(instances, found.masks.to_ndarray(), strict=True):
            padded = np.zeros(image.shape[:2], np.uint8)  # as the image is, but not every mask
            padded[: mask.shape[0], : mask.shape[1]] = mask
            instance['mask'] = run_lengths(padded)
    ignored = _boxes(labels.get('ignored_instances') or InstanceData(bboxes=np.zeros((0, 4))))
    for x1, y1, x2, y2 in ignored.round().astype(int):
        where = np.zeros(image.shape[:2], bool)
        where[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = True
        image = hatched(image, where)
    pictures = [draw_record(classes, image, {'instances': instances}, 0, OPACITY)]
    if 'gt_sem_seg' in labels:  # of HTC
        label_map = labels.gt_sem_seg.sem_seg[0].cpu().numpy().astype(np.uint8)
        size = image.shape[1::-1]
        label_map = cv2.resize(label_map, size, interpolation=cv2.INTER_NEAREST)
        pictures.append(painted(image, label_map, classes_of({})))
    text = f'{len(instances)} box{"es" * (len(instances) != 1)}'
    text += ' with masks' * ('masks' in found)
    return pictures, text + (f', {len(ignored)} ignored' if len(ignored) else '')


def _boxes(found: InstanceData) -> np.ndarray:
    """Boxes (N, 4) of x1, y1, x2, y2."""
    boxes = getattr(found.bboxes, 'tensor', found.bboxes)
    return np.asarray(boxes.cpu() if hasattr(boxes, 'cpu') else boxes, np.float64).reshape(-1, 4)
