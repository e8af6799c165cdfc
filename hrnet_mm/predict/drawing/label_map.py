"""Segmented images: every pixel in the colour of its class."""

from __future__ import annotations

import numpy as np

OPACITY = 0.55


def draw_label_map(image: np.ndarray, labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Lay the colours of a label map over an image.

    Args:
        image: (H, W, 3) uint8 BGR, left as it is.
        labels: (H, W), each below N.
        colors: (N, 3) uint8 BGR, of every label.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    blended = (1 - OPACITY) * image + OPACITY * colors[labels]
    return blended.round().astype(np.uint8)
