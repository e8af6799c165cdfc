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
        if math.isfinite(sum(polygon)) and max(polygon) > 1:
            return None
        if max(polygon) <= 1:
            return f'has a polygon from 0 to 1 in its segmentation: {polygon[:4]}, ..., not pixels'
    except TypeError:
        pass
    return 'has a polygon in its segmentation with what is no finite number'


def place_fault(segmentation: Any, box: Any) -> str | None:
    """Say so if polygons are elsewhere than their box [x, y, width, height]."""
    if not isinstance(segmentation, list) or not isinstance(box, list):
        return None
    left = min(min(polygon[0::2]) for polygon in segmentation)
    top = min(min(polygon[1::2]) for polygon in segmentation)
    right = max(max(polygon[0::2]) for polygon in segmentation)
    bottom = max(max(polygon[1::2]) for polygon in segmentation)
    try:
        x, y, width, height = box
        across = min(right, x + width) - max(left, x)
        down = min(bottom, y + height) - max(top, y)
        larger = max((right - left) * (bottom - top), width * height)
    except TypeError:
        return None
    if larger < 16 or (across > 0 and down > 0 and across * down > 0.3 * larger):
        return None
    return (
        f'has a segmentation from [{left:g}, {top:g}] to [{right:g}, {bottom:g}] and the bbox '
        f'{box}, which is elsewhere'
    )
