"""Classified images: the names of the likeliest classes, written into a corner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hrnet_mm.predict.drawing.marks import WHITE, text_scale, text_size, write_line


def draw_class_list(
    image: np.ndarray, classes: Sequence[dict[str, Any]], score_thr: float
) -> np.ndarray:
    """Write scores and names of classes, a line each, on darkened ground.

    Args:
        image: (H, W, 3) uint8 BGR, left as it is.
        classes: records with ``category`` and ``score``, in the order of the lines.
        score_thr: classes that score less are not written.

    Returns:
        (H, W, 3) uint8 BGR. Lines that are too long, or too many, end at the image's edge.
    """
    drawn = image.copy()
    lines = [f'{c["score"]:.2f} {c["category"]}' for c in classes if c['score'] >= score_thr]
    if not lines:
        return drawn
    scale = 1.25 * text_scale(image)
    width, height = max(text_size(line, scale) for line in lines)
    ground = drawn[: len(lines) * height, :width]
    ground[:] = ground // 3
    for i, line in enumerate(lines):
        write_line(drawn, line, (0, i * height), scale, WHITE)
    return drawn
