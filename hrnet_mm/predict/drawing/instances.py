"""Detected instances: boxes with names, and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from hrnet_mm.predict.drawing.marks import draw_box, draw_label, line_width


def draw_instances(
    image: np.ndarray, instances: Sequence[dict[str, Any]], colors: np.ndarray, score_thr: float
) -> np.ndarray:
    """Draw boxes, names with scores, and masks, half-transparent with a contour.

    Args:
        image: (H, W, 3) uint8 BGR, left as it is.
        instances: records with ``bbox`` (x, y, w, h) in pixels, ``score``, ``label``, ``category``
            and perhaps ``mask``, COCO's run-length encoding of (H, W).
        colors: (N, 3) uint8 BGR, of every label.
        score_thr: instances that score less are not drawn.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    drawn = image.copy()
    # The most certain last, on top.
    shown = sorted(
        (instance for instance in instances if instance['score'] >= score_thr),
        key=lambda instance: instance['score'],
    )
    for instance in shown:
        if 'mask' in instance:
            _draw_mask(drawn, coco_mask.decode(instance['mask']), colors[instance['label']])
    for instance in shown:
        draw_box(
            drawn,
            instance['bbox'],
            colors[instance['label']].tolist(),
            line_width(instance['bbox'], image),
        )
    for instance in shown:
        text = f'{instance["category"]} {instance["score"]:.2f}'
        draw_label(drawn, text, instance['bbox'][:2], colors[instance['label']].tolist())
    return drawn


def _draw_mask(image: np.ndarray, mask: np.ndarray, color: np.ndarray) -> None:
    inside = mask.astype(bool)
    image[inside] = image[inside] // 2 + color // 2
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, color.tolist(), 1)
