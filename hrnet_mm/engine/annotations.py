"""What is wrong with a COCO annotation file, said of the file and not of the code that reads it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hrnet_mm.cli import UserError

KEYS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id'),
)


def read_annotations(path: Path, with_keypoints: bool) -> dict[str, Any]:
    """Read an annotation file and make sure that it has what the hosts cannot do without.

    MMDetection wants a box of every annotation; MMPose leaves out people without one.

    Raises:
        UserError: naming the file and the first thing that is absent or of another kind.
    """
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:  # of the encoding, or of JSON
        raise UserError(f'{path} is not JSON ({error})') from error
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise UserError(f'{path} holds a {kind}, not a dict of images and annotations')
    for name, keys in KEYS.items():
        if not isinstance(document.get(name), list):
            raise UserError(f"{path} lacks the list '{name}'")
        if name == 'annotations' and not with_keypoints:
            keys += ('bbox',)
        for position, entry in enumerate(document[name]):
            fault = entry_fault(entry, keys)
            if fault is not None:
                raise UserError(f"{path}: number {position} of '{name}' {fault}")
    return document


def entry_fault(entry: Any, keys: Iterable[str]) -> str | None:
    if not isinstance(entry, dict):
        return f'is a {type(entry).__name__}, not a dict'
    for key in keys:
        if key not in entry:
            return f"lacks '{key}'"
    box = entry.get('bbox', [0] * 4)
    if not isinstance(box, list) or len(box) != 4:
        return f"has the 'bbox' {box!r}, not [x, y, width, height]"
    return None


def skip_reasons(document: Mapping[str, Any], with_keypoints: bool) -> Counter[str]:
    """How many annotations the hosts leave out, and why; of each the first reason counts."""
    images = {image['id']: image for image in document['images']}
    wanted = ('bbox', 'keypoints') if with_keypoints else ('bbox',)
    reasons = (skip_reason(entry, images, wanted) for entry in document['annotations'])
    return Counter(reason for reason in reasons if reason is not None)


def skip_reason(
    entry: Mapping[str, Any], images: Mapping[int, Mapping[str, Any]], wanted: Iterable[str]
) -> str | None:
    image = images.get(entry['image_id'])
    if image is None:
        return 'of an image that is not listed'
    if entry.get('iscrowd'):
        return 'of a crowd'
    for key in wanted:
        if key not in entry:
            return f'without {key}'
    if 'keypoints' in wanted and (entry.get('num_keypoints') == 0 or not any(entry['keypoints'])):
        return 'with no visible keypoint'
    x, y, width, height = entry['bbox']
    right, bottom = min(x + width, image['width'] - 1), min(y + height, image['height'] - 1)
    if right <= max(x, 0) or bottom <= max(y, 0):
        return 'with a box of no area inside its image'
    return None


def listed(reasons: Counter[str]) -> str:
    return ', '.join(f'{number} {reason}' for reason, number in reasons.most_common())
