"""Checks of the entries of a COCO file, which pose and detection share: ids, names, categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hrnet_mm.base.coco_file import CocoFile, most_common
from hrnet_mm.check.findings import Finding, few_sorted, first_of, row_text, stop, warn

MOST = 0.9  # of the annotations: a rule of the whole file, and no slip


def check_entries(file: CocoFile) -> Iterator[Finding]:
    """Images, annotations and categories are complete, and refer to each other."""
    yield from check_ids(file, 'image', file.image_ids)
    yield from check_ids(file, 'annotation', file.ids)
    yield from check_faults(file, 'key', ending=', which the host reads of every one')
    yield from check_faults(file, 'iscrowd')
    yield from check_file_names(file)
    yield from check_sizes(file)
    yield from check_categories(file)
    yield from check_images_of(file)


def check_faults(
    file: CocoFile, kind: str, level: Callable[[str], Finding] = stop, ending: str = ''
) -> Iterator[Finding]:
    """What was found wrong with annotations while the file was read, e.g. of the kind 'bbox'."""
    faults = file.faults.get(kind, {})
    yield from first_of(
        level, list(faults), lambda i: f'{file.path}: {file.name(i)} {faults[i]}{ending}'
    )


def check_ids(file: CocoFile, what: str, ids: Sequence[Any]) -> Iterator[Finding]:
    """Ids are whole numbers and nothing has the id of another."""
    wrong = [i for i, value in enumerate(ids) if type(value) is not int]
    yield from first_of(
        stop,
        wrong,
        lambda i: (
            f'{file.path}: the id of {what} number {i} is {ids[i]!r}; an id is a whole number, and '
            'not a text'
        ),
    )
    if wrong or len(set(ids)) == len(ids):
        return
    twice = [(value, n) for value, n in Counter(ids).items() if n > 1]
    value, times = twice[0]
    others = f' (and {len(twice) - 1} other ids)' if len(twice) > 1 else ''
    yield stop(
        f'{file.path}: {times} {what}s have the id {value}{others}; an id is unique in its file: '
        'give new ids where files are merged, else one takes the place of the other'
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
            f'{row_text(file.sizes[i])}, not two numbers of pixels'
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
        for value, times in Counter(repr(category[key]) for category in file.categories).items():
            if times > 1:
                yield stop(f"{file.path}: {times} of the 'categories' have the {key} {value}")
    known = {category['id'] for category in file.categories}
    astray = [i for i, category in enumerate(file.categories_of) if category not in known]
    yield from first_of(
        stop if len(astray) == len(file) else warn,
        astray,
        lambda i: (
            f'{file.path}: {file.name(i)} has the category_id {file.categories_of[i]!r}, which is '
            f"none of the 'categories': {few_sorted(known)}"
        ),
    )


def check_images_of(file: CocoFile) -> Iterator[Finding]:
    """Annotations are of images that are listed."""
    astray = np.flatnonzero(file.image_numbers < 0)
    listed = f'the ids of images are {most_common(file.image_ids)}, ...'
    yield from first_of(
        stop if len(astray) == len(file) else warn,
        astray,
        lambda i: (
            f'{file.path}: {file.name(i)} has the image_id {file.images_of[i]!r}, an image that '
            f'is not listed: {listed}'
        ),
    )


def check_run_lengths(file: CocoFile) -> Iterator[Finding]:
    """Segmentations in run lengths are of the size of their image."""
    numbers = file.image_numbers
    yield from first_of(
        stop,
        [
            i
            for i, size in file.run_lengths.items()
            if numbers[i] >= 0 and list(size) != file.sizes[numbers[i]][::-1].tolist()
        ],
        lambda i: (
            f'{file.path}: {file.name(i)} has a segmentation with the size '
            f'{file.run_lengths[i]}, but its image has [height, width] '
            f'{row_text(file.sizes[numbers[i]][::-1])}'
        ),
    )
