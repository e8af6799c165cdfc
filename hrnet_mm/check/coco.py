"""Checks of a COCO file that pose and detection share: ids, categories, boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hrnet_mm.check.findings import Finding, first_of, note, stop, warn
from hrnet_mm.engine.coco_file import CocoFile, most_common

MARGIN = 2  # pixels by which a box may be larger than its image
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


def check_box_numbers(file: CocoFile, needed: bool) -> Iterator[Finding]:
    """Boxes are finite numbers of pixels."""
    right = 'not four finite numbers [x, y, width, height] in pixels'
    faults = file.faults.get('bbox', {})
    yield from first_of(
        stop, list(faults), lambda i: f'{file.path}: {file.name(i)} {faults[i]}, {right}'
    )
    finite = np.isfinite(file.boxes)
    wrong = ~finite.all(axis=1) & (finite.any(axis=1) | needed)
    wrong[list(faults)] = False
    yield from first_of(
        stop,
        np.flatnonzero(wrong),
        lambda i: f'{file.path}: {file.name(i)} has the bbox {shown(file.boxes[i])}, {right}',
    )


def check_duplicates(file: CocoFile, images: np.ndarray) -> Iterator[Finding]:
    """Nothing is annotated twice."""
    boxes = np.where(np.isfinite(file.boxes), file.boxes, 0)
    rows = np.column_stack([images, boxes])
    weights = np.sqrt([2, 3, 5, 7, 11])  # no two rows of a file have the same sum by chance
    sums = rows @ weights
    if np.ndim(file.keypoints) == 2:  # people in a crowd may share a box that is the whole image
        points = np.nan_to_num(file.keypoints)
        sums += points @ np.sqrt(np.arange(13, 13 + points.shape[1], dtype=points.dtype))
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    has_box = np.isfinite(file.boxes).all(axis=1)
    again = np.flatnonzero((first[inverse] != np.arange(len(rows))) & has_box)
    again = [i for i in again if file.categories_of[i] == file.categories_of[first[inverse[i]]]]
    level = warn if len(again) > 0.01 * len(rows) else note
    yield from first_of(
        level,
        again,
        lambda i: (
            f'{file.path}: {file.name(i)} has the image, category and bbox '
            f'{shown(file.boxes[i])} of {file.name(first[inverse[i]])}: the same is annotated twice'
        ),
    )


def check_box_convention(file: CocoFile, images: np.ndarray) -> Iterator[Finding]:
    """Boxes are x, y, width, height in pixels: no corners, nothing from 0 to 1, nothing outside."""
    placed = (images >= 0) & np.isfinite(file.boxes).all(axis=1) & ~file.crowds
    numbers = np.flatnonzero(placed & (file.boxes[:, 2:] > 0).all(axis=1))
    if not len(numbers):
        return
    boxes, sizes = file.boxes[numbers], file.sizes[images[numbers]]
    if (boxes <= 1).all() and (sizes > 2).all():
        yield stop(
            f'{file.path}: {file.name(numbers[0])} has the bbox {shown(boxes[0])}, as all have '
            'numbers from 0 to 1; write pixels: x and width times the width of the image, y and '
            'height times its height'
        )
        return
    corners = looks_like_corners(boxes, sizes)
    if corners.mean() > MOST or (corners.sum() > 1 and corners.mean() > 0.5):
        # Boxes that were enlarged end a little outside; corners that are added, far outside.
        exceeds = np.flatnonzero((boxes[:, :2] + boxes[:, 2:] > 1.2 * sizes).any(axis=1))
        if len(exceeds) > 0.2 * len(boxes):
            yield stop(
                f'{file.path}: {file.name(numbers[exceeds[0]])} has the bbox '
                f'{shown(boxes[exceeds[0]])} in an image of {shown(sizes[exceeds[0]], "x")}: it '
                'ends outside, as many do, and looks like two corners [x1, y1, x2, y2]; write '
                '[x, y, width, height]'
            )
            return
    yield from check_boxes_outside(file, numbers, boxes, sizes)


def looks_like_corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Of each box, whether its last two numbers can be a corner behind the first two."""
    behind = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return behind & (boxes[:, 2:] <= sizes + MARGIN).all(axis=1)


def check_boxes_outside(
    file: CocoFile, numbers: np.ndarray, boxes: np.ndarray, sizes: np.ndarray
) -> Iterator[Finding]:
    begin, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = np.flatnonzero((begin >= sizes).any(axis=1) | (end <= 0).any(axis=1))
    yield from first_of(
        warn,
        outside,
        lambda i: (
            f'{file.path}: {file.name(numbers[i])} has the bbox '
            f'{shown(boxes[i])}, which is outside of its image of {shown(sizes[i], "x")}: '
            'it is left out'
        ),
    )
    beyond = (end > 1.25 * sizes + MARGIN) | (begin < -0.25 * sizes - MARGIN)
    corners = looks_like_corners(boxes, sizes) & (end > 1.1 * sizes + MARGIN).any(axis=1)
    beyond = np.setdiff1d(np.flatnonzero(beyond.any(axis=1) | corners), outside)
    # Where many are, boxes are of whole people of whom the image shows a part.
    level = warn if len(beyond) < 0.3 * len(boxes) else note

    def text(i: int) -> str:
        hint = ' (are they two corners [x1, y1, x2, y2]?)' if corners[i] else ''
        return (
            f'{file.path}: {file.name(numbers[i])} has the bbox {shown(boxes[i])} [x, y, width, '
            f'height]{hint}, which ends far outside of its image of {shown(sizes[i], "x")}'
        )

    yield from first_of(level, beyond, text)


def check_empty_boxes(file: CocoFile) -> Iterator[Finding]:
    """Boxes have an area; one in ten thousand has none in COCO itself."""
    with np.errstate(invalid='ignore'):
        empty = np.flatnonzero((file.boxes[:, 2:] <= 0).any(axis=1) & ~file.crowds)
        negative = np.flatnonzero((file.boxes[:, 2:] < 0).any(axis=1))
    level = warn if len(empty) > 1e-4 * len(file) or len(negative) else note
    yield from first_of(
        level,
        negative if len(negative) else empty,
        lambda i: (
            f'{file.path}: {file.name(i)} has the bbox {shown(file.boxes[i])} [x, y, width, '
            'height] of no area: it is left out'
        ),
    )


def check_areas(file: CocoFile, needed: bool, why: str) -> Iterator[Finding]:
    """Areas are there where the host needs them, and are pixels."""
    if not needed:
        return
    missing = np.flatnonzero(~np.isfinite(file.areas))
    yield from first_of(
        stop,
        missing,
        lambda i: (
            f"{file.path}: {file.name(i)} lacks the 'area' (or it is no "
            f'number), which {why}; it is the area of the mask in pixels, or width x height'
        ),
    )
    with np.errstate(invalid='ignore'):
        full = (file.boxes[:, 2:] > 0).all(axis=1) & ~file.crowds
        none = np.flatnonzero((file.areas <= 0) & full)
        larger = np.flatnonzero(file.areas > 1.1 * file.boxes[:, 2:].prod(axis=1) + 10 * MARGIN)
        tiny = (file.areas <= 1) & (file.boxes[:, 2:] > 4).all(axis=1)
    level = stop if len(none) > MOST * len(file) else warn if len(none) else note
    yield from first_of(
        level,
        none,
        lambda i: (
            f'{file.path}: {file.name(i)} has the area {file.areas[i]:g} and '
            f'the bbox {shown(file.boxes[i])}: it is left out or judged by no size'
        ),
    )
    if tiny.sum() > MOST * len(file) > 0 and not len(none):
        larger = np.flatnonzero(tiny)
    if len(larger) > 0.1 * len(file):
        i = larger[0]
        yield warn(
            f'{file.path}: {file.name(i)} has the area {file.areas[i]:g} and the bbox '
            f'{shown(file.boxes[i])}, as {len(larger) - 1} more do not agree; the area is in pixels'
        )


def shown(values: Any, between: str = ', ') -> str:
    """[1, 2.5] for a row of numbers; 640x480 for a size."""
    text = between.join(f'{round(float(value), 3):.10g}' for value in values)
    return text if between == 'x' else f'[{text}]'


def few(values: Any, most: int = 12) -> str:
    ordered = sorted(values, key=lambda value: (not isinstance(value, int), str(value).zfill(9)))
    return ', '.join(map(repr, ordered[:most])) + (', ...' if len(ordered) > most else '')
