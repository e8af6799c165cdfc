"""The entries of a COCO annotation file, and sentences on what is wrong with one of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.json_stream import entries

KEYS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id'),
)
POLYGONS = 'polygons [[x1, y1, x2, y2, x3, y3, ...], ...] or run lengths {size, counts}'


def annotation_entries(
    path: Path, with_keypoints: bool, is_labelled: bool = True
) -> Iterator[tuple[str, int | None, Any]]:
    """Read an annotation file and make sure that it has what the hosts cannot do without.

    MMDetection needs a box in every annotation; MMPose leaves out people without one. The list of
    annotations may be absent where nothing is labelled, as in COCO's test-dev.

    Yields:
        What :func:`hrnet_mm.base.json_stream.entries` does.

    Raises:
        UserError: naming the file and the first thing that is absent or of another kind.
    """
    found = set()
    try:
        for name, position, entry in entries(path):
            if name == '':
                kind = 'list' if position is not None else type(entry).__name__
                raise UserError(f'{path} holds a {kind}, not a dict of images and annotations')
            if name in KEYS and isinstance(entry, list) and position is None:
                found.add(name)
            if name in KEYS and position is not None:
                keys = KEYS[name]
                if name == 'annotations' and not with_keypoints:
                    keys += ('bbox',)
                fault = entry_fault(entry, keys)
                if fault is not None:
                    raise UserError(f"{path}: number {position} of '{name}' {fault}")
            yield name, position, entry
    except ValueError as error:  # of the encoding, or of JSON
        raise UserError(f'{path} is not JSON ({error})') from error
    for name in KEYS if is_labelled else ('images',):
        if name not in found:
            raise UserError(f"{path} lacks the list '{name}'")


def entry_fault(entry: Any, keys: Iterable[str]) -> str | None:
    """What is wrong with an image or annotation: the end of a sentence on it; None if nothing."""
    if not isinstance(entry, dict):
        return f'is a {type(entry).__name__}, not a dict'
    for key in keys:
        if key not in entry:
            return f"lacks '{key}'"
    box = entry.get('bbox', [0] * 4)
    if not isinstance(box, list) or len(box) != 4:
        return f"has the 'bbox' {box!r}, not [x, y, width, height]"
    return None


def segmentation_fault(segmentation: Any) -> str | None:
    """What is wrong with the segmentation of one annotation, as :func:`entry_fault` says it."""
    if segmentation is None or segmentation in ([], [[]], {}):
        return f'has the segmentation {segmentation!r}, which is no mask: it should have {POLYGONS}'
    if isinstance(segmentation, dict):
        if isinstance(segmentation.get('counts'), list | str) and 'size' in segmentation:
            return None
        return f"has a segmentation with {sorted(segmentation)}, not 'size' and 'counts'"
    if not isinstance(segmentation, list):
        return f'has a {type(segmentation).__name__} as segmentation, not {POLYGONS}'
    return next(filter(None, map(polygon_fault, segmentation)), None)


def polygon_fault(polygon: Any) -> str | None:
    """What is wrong with one polygon [x1, y1, x2, y2, x3, y3, ...] of a segmentation."""
    if not isinstance(polygon, list):
        return f'has {polygon!r} in its segmentation, not {POLYGONS}'
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
    """Say so if polygons lie elsewhere than their box [x, y, width, height]."""
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


def keypoints_fault(key: str, values: Any) -> str:
    """What is wrong with a list of keypoints that cannot be read as numbers."""
    if not isinstance(values, list):
        return f'has the {key} {values!r}, not a list of x, y and visibility of each'
    number, wrong = next(
        ((i, v) for i, v in enumerate(values) if not isinstance(v, int | float)), (0, values[:3])
    )
    return f'has {wrong!r} as number {number} of its {key}, not a number'


def no_class_of(path: Path, names: Sequence[str], classes: Sequence[str]) -> str | None:
    """Say so if none of a config's classes is among the names of a file's categories."""
    if not classes or not names or set(classes) & set(names):
        return None
    return (
        f"{path} has none of the config's classes: the file has {few(names)}, "
        f'the config {few(classes)}'
    )


def few(names: Sequence[str], shown: int = 5) -> str:
    """The first of some names: ``'person', 'car', ... (80)``."""
    more = f', ... ({len(names)})' if len(names) > shown else ''
    return ', '.join(map(repr, names[:shown])) + more
