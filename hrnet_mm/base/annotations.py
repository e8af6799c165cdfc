"""What is wrong with a COCO annotation file, said of the file and not of the code that reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.json_stream import entries

KEYS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id'),
)


def annotation_entries(
    path: Path, with_keypoints: bool, is_labelled: bool = True
) -> Iterator[tuple[str, int | None, Any]]:
    """Read an annotation file and make sure that it has what the hosts cannot do without.

    MMDetection wants a box of every annotation; MMPose leaves out people without one. The list of
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
    if not isinstance(entry, dict):
        return f'is a {type(entry).__name__}, not a dict'
    for key in keys:
        if key not in entry:
            return f"lacks '{key}'"
    box = entry.get('bbox', [0] * 4)
    if not isinstance(box, list) or len(box) != 4:
        return f"has the 'bbox' {box!r}, not [x, y, width, height]"
    return None
