"""What is wrong with a segmentation: polygons or run lengths."""

from __future__ import annotations

import math
from typing import Any

RIGHT = 'polygons [[x1, y1, x2, y2, x3, y3, ...], ...] or run lengths {size, counts}'


def segmentation_fault(segmentation: Any) -> str | None:
    """What is wrong with the segmentation of one annotation, the end of a sentence on it."""
    if segmentation is None or segmentation in ([], [[]], {}):
        return f'has the segmentation {segmentation!r}, which is no mask: it should have {RIGHT}'
    if isinstance(segmentation, dict):
        if isinstance(segmentation.get('counts'), list | str) and 'size' in segmentation:
            return None
        return f"has a segmentation with {sorted(segmentation)}, not 'size' and 'counts'"
    if not isinstance(segmentation, list):
        return f'has a {type(segmentation).__name__} as segmentation, not {RIGHT}'
    return next(filter(None, map(polygon_fault, segmentation)), None)


def polygon_fault(polygon: Any) -> str | None:
    if not isinstance(polygon, list):
        return f'has {polygon!r} in its segmentation, not {RIGHT}'
    if len(polygon) < 6 or len(polygon) % 2:
        return (
            f'has a polygon of {len(polygon)} numbers in its segmentation: {polygon[:7]}, not '
            'x and y of three or more corners'
        )
    try:
        if math.isfinite(sum(polygon)):
            return None
    except TypeError:
        pass
    return 'has a polygon in its segmentation with what is no finite number'
