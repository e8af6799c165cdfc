"""Checks of a COCO file that pose and detection share: ids, names, categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hrnet_mm.base.coco_file import CocoFile, most_common
from hrnet_mm.check.findings import Finding, first_of, stop, warn

MOST = 0.9  # of the annotations: a rule of the whole file, and no slip


def check_ids(file: CocoFile) -> Iterator[Finding]:
    """Ids are whole numbers and nothing has the id of another."""
    for what, ids in (('image', file.image_ids), ('annotation', file.ids)):
        wrong = [i for i, value in enumerate(ids) if type(value) is not int]
        yield from first_of(
            stop,
            wrong,
            lambda i, what=what, ids=ids: (
                f'{file.path}: the id of {what} number {i} '
                f'is {ids[i]!r}; an id is a whole number, and not a text'
            ),
        )
        if not wrong:
            yield from check_unique(file, what, ids)


def check_unique(file: CocoFile, what: str, ids: Sequence[int]) -> Iterator[Finding]:
    if len(set(ids)) == len(ids):
        return
    twice = [(value, n) for value, n in Counter(ids).items() if n > 1]
    value, times = twice[0]
    others = f' (and {len(twice) - 1} other ids)' if len(twice) > 1 else ''
    yield stop(
        f'{file.path}: {times} {what}s have the id {value}{others}; an id is unique in its file: '
        'give new ids where files are merged, else one takes the place of the other'
    )


def check_keys(file: CocoFile) -> Iterator[Finding]:
    """Annotations have the keys that the host takes without asking."""
    faults = file.faults.get('key', {})
    yield from first_of(
        stop,
        list(faults),
        lambda i: f'{file.path}: {file.name(i)} {faults[i]}, which the host reads of every one',
    )
    odd = file.faults.get('iscrowd', {})
    yield from first_of(stop, list(odd), lambda i: f'{file.path}: {file.name(i)} {odd[i]}')


def check_images_of(file: CocoFile, images: np.ndarray) -> Iterator[Finding]:
    """Annotations are of images that are listed."""
    astray = np.flatnonzero(images < 0)
    level = stop if len(astray) == len(file) else warn
    listed = f'the ids of images are {most_common(file.image_ids)}, ...'
    yield from first_of(
        level,
        astray,
        lambda i: (
            f'{file.path}: {file.name(i)} has the image_id '
            f'{file.images_of[i]!r}, an image that is not listed: {listed}'
        ),
    )


def check_file_names(file: CocoFile) -> Iterator[Finding]:
    """Every image is listed once, under a name that a path can have."""
    names = file.names
    wrong = [i for i, name in enumerate(names) if not isinstance(name, str) or '\\' in name]
    yield from first_of(
        stop,
        wrong,
        lambda i: (
            f'{file.path}: the file_name of image {file.image_ids[i]!r} is '
            f"{names[i] if isinstance(names[i], str) else repr(names[i])}; write a path with '/', "
            "not '\\'"
        ),
    )
    if not wrong and len(set(names)) < len(names):
        twice = [name for name, n in Counter(names).items() if n > 1]
        ids = [file.image_ids[i] for i, name in enumerate(names) if name == twice[0]]
        yield warn(
            f'{file.path}: the images {", ".join(map(repr, ids))} have the same file_name '
            f'{twice[0]}: each has a part of the annotations, or they are of another picture'
            + (f' (and {len(twice) - 1} more)' if len(twice) > 1 else '')
        )


def check_sizes(file: CocoFile) -> Iterator[Finding]:
    """Width and height of images are numbers above 0."""
    with np.errstate(invalid='ignore'):
        wrong = np.flatnonzero(~(file.sizes > 0).all(axis=1))
    yield from first_of(
        stop,
        wrong,
        lambda i: (
            f'{file.path}: image {file.image_ids[i]!r} has the width and height '
            f'{shown(file.sizes[i])}, not two numbers of pixels'
        ),
    )


def check_categories(file: CocoFile) -> Iterator[Finding]:
    """Categories have an id and a name, each once, and annotations are of one of them."""
    for number, category in enumerate(file.categories):
        for key in ('id', 'name'):
            if not isinstance(category, dict) or key not in category:
                yield stop(f"{file.path}: number {number} of 'categories' lacks '{key}'")
                return
    for key in ('id', 'name'):
        values = [category[key] for category in file.categories]
        for value, times in Counter(map(repr, values)).items():
            if times > 1:
                yield stop(f"{file.path}: {times} of the 'categories' have the {key} {value}")
    known = {category['id'] for category in file.categories}
    astray = [i for i, category in enumerate(file.categories_of) if category not in known]
    level = stop if len(astray) == len(file) else warn
    if known or astray:
        yield from first_of(
            level,
            astray,
            lambda i: (
                f'{file.path}: {file.name(i)} has the category_id '
                f"{file.categories_of[i]!r}, which is none of the 'categories': {few(known)}"
            ),
        )


def shown(values: Any, between: str = ', ') -> str:
    """[1, 2.5] for a row of numbers; 640x480 for a size."""
    text = between.join(f'{round(float(value), 3):.10g}' for value in values)
    return text if between == 'x' else f'[{text}]'


def few(values: Any, most: int = 12) -> str:
    ordered = sorted(values, key=lambda value: (not isinstance(value, int), str(value).zfill(9)))
    return ', '.join(map(repr, ordered[:most])) + (', ...' if len(ordered) > most else '')
