"""Checks of the boxes and areas of a COCO file, which pose and detection share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.check.coco import MOST, shown
from hrnet_mm.check.findings import Finding, first_of, note, stop, warn

MARGIN = 2  # pixels by which a box may be larger than its image
AMODAL = 0.3, 0.6  # shares of boxes that end far outside where they are of whole people


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
    # Where many are, boxes are of whole people of whom the image shows a part; where most are, the
    # images have another size than those that were annotated.
    level = note if AMODAL[0] <= len(beyond) / len(boxes) <= AMODAL[1] else warn

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
