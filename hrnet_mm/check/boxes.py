"""Checks of boxes: those of a COCO file, which pose and detection share, and detected people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.base.coco_file import numbers as numbers_in
from hrnet_mm.base.json_stream import entries
from hrnet_mm.check.coco import MOST, check_faults
from hrnet_mm.check.findings import (
    Finding,
    few_sorted,
    first_of,
    note,
    row_text,
    size_text,
    stop,
    warn,
)

MARGIN = 2  # pixels by which a box may be larger than its image
AMODAL = 0.3, 0.6  # shares of boxes that end far outside where they are of whole people
PERSON = 1  # the category_id that mmpose takes of detections, whatever the annotation file says
DETECTION_KEYS = ('image_id', 'category_id', 'bbox', 'score')


def check_boxes(file: CocoFile, needed: bool) -> Iterator[Finding]:
    """Boxes are x, y, width, height in pixels, each once.

    Args:
        file: the annotation file.
        needed: whether every annotation has one.
    """
    yield from check_numbers(file, needed)
    yield from check_duplicates(file)
    yield from check_convention(file)
    yield from check_empty(file)


def check_numbers(file: CocoFile, needed: bool) -> Iterator[Finding]:
    """Boxes are finite numbers of pixels."""
    right = ', not four finite numbers [x, y, width, height] in pixels'
    yield from check_faults(file, 'bbox', ending=right)
    finite = np.isfinite(file.boxes)
    wrong = ~finite.all(axis=1) & (finite.any(axis=1) | needed)
    wrong[list(file.faults.get('bbox', {}))] = False
    yield from first_of(
        stop,
        np.flatnonzero(wrong),
        lambda i: f'{file.path}: {file.name(i)} has the bbox {row_text(file.boxes[i])}{right}',
    )


def check_duplicates(file: CocoFile) -> Iterator[Finding]:
    """Nothing is annotated twice."""
    boxes = np.where(np.isfinite(file.boxes), file.boxes, 0)
    rows = np.column_stack([file.image_numbers, boxes])
    weights = np.sqrt([2, 3, 5, 7, 11])  # no two rows of a file have the same sum by chance
    sums = rows @ weights
    if np.ndim(file.keypoints) == 2:  # people in a crowd may share a box that is the whole image
        points = np.nan_to_num(file.keypoints)
        sums += points @ np.sqrt(np.arange(13, 13 + points.shape[1], dtype=points.dtype))
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    has_box = np.isfinite(file.boxes).all(axis=1)
    again = np.flatnonzero((first[inverse] != np.arange(len(rows))) & has_box)
    again = [i for i in again if file.categories_of[i] == file.categories_of[first[inverse[i]]]]
    yield from first_of(
        warn if len(again) > 0.01 * len(rows) else note,
        again,
        lambda i: (
            f'{file.path}: {file.name(i)} has the image, category and bbox '
            f'{row_text(file.boxes[i])} of {file.name(first[inverse[i]])}: the same is annotated '
            'twice'
        ),
    )


def check_convention(file: CocoFile) -> Iterator[Finding]:
    """Boxes are no corners, not from 0 to 1, and not outside of their images."""
    images = file.image_numbers
    placed = (images >= 0) & np.isfinite(file.boxes).all(axis=1) & ~file.crowds
    numbers = np.flatnonzero(placed & (file.boxes[:, 2:] > 0).all(axis=1))
    if not len(numbers):
        return
    boxes, sizes = file.boxes[numbers], file.sizes[images[numbers]]
    if (boxes <= 1).all() and (sizes > 2).all():
        yield stop(
            f'{file.path}: {file.name(numbers[0])} has the bbox {row_text(boxes[0])}, as all have '
            'numbers from 0 to 1; write pixels: x and width times the width of the image, y and '
            'height times its height'
        )
        return
    corners = looks_like_corners(boxes, sizes)
    if corners.mean() > MOST or (corners.sum() > 1 and corners.mean() > 0.5):
        exceeds = np.flatnonzero(ends_outside(boxes, sizes))
        if len(exceeds) > 0.2 * len(boxes):
            yield stop(
                f'{file.path}: {file.name(numbers[exceeds[0]])} has the bbox '
                f'{row_text(boxes[exceeds[0]])} in an image of {size_text(sizes[exceeds[0]])}: it '
                'ends outside, as many do, and looks like two corners [x1, y1, x2, y2]; write '
                '[x, y, width, height]'
            )
            return
    yield from check_places(file, numbers, boxes, sizes)


def looks_like_corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Of each box, whether its last two numbers can be a corner behind the first two."""
    behind = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return behind & (boxes[:, 2:] <= sizes + MARGIN).all(axis=1)


def ends_outside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Of each box, whether it ends far outside, as x1 + x2 does; one that was enlarged does not."""
    return (boxes[:, :2] + boxes[:, 2:] > 1.2 * sizes).any(axis=1)


def check_places(
    file: CocoFile, numbers: np.ndarray, boxes: np.ndarray, sizes: np.ndarray
) -> Iterator[Finding]:
    """Boxes, of the annotations ``numbers``, are in their images."""
    begin, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = np.flatnonzero((begin >= sizes).any(axis=1) | (end <= 0).any(axis=1))
    yield from first_of(
        warn,
        outside,
        lambda i: (
            f'{file.path}: {file.name(numbers[i])} has the bbox {row_text(boxes[i])}, which is '
            f'outside of its image of {size_text(sizes[i])}: it is left out'
        ),
    )
    beyond = (end > 1.25 * sizes + MARGIN) | (begin < -0.25 * sizes - MARGIN)
    corners = looks_like_corners(boxes, sizes) & (end > 1.1 * sizes + MARGIN).any(axis=1)
    beyond = np.setdiff1d(np.flatnonzero(beyond.any(axis=1) | corners), outside)

    def text(i: int) -> str:
        hint = ' (are they two corners [x1, y1, x2, y2]?)' if corners[i] else ''
        return (
            f'{file.path}: {file.name(numbers[i])} has the bbox {row_text(boxes[i])} [x, y, width, '
            f'height]{hint}, which ends far outside of its image of {size_text(sizes[i])}'
        )

    # Where many are, boxes are of whole people of whom the image shows a part; where most are, the
    # images have another size than those that were annotated.
    is_amodal = AMODAL[0] <= len(beyond) / len(boxes) <= AMODAL[1]
    yield from first_of(note if is_amodal else warn, beyond, text)


def check_empty(file: CocoFile) -> Iterator[Finding]:
    """Boxes have an area; one in ten thousand has none in COCO itself."""
    with np.errstate(invalid='ignore'):
        empty = np.flatnonzero((file.boxes[:, 2:] <= 0).any(axis=1) & ~file.crowds)
        negative = np.flatnonzero((file.boxes[:, 2:] < 0).any(axis=1))
    yield from first_of(
        warn if len(empty) > 1e-4 * len(file) or len(negative) else note,
        negative if len(negative) else empty,
        lambda i: (
            f'{file.path}: {file.name(i)} has the bbox {row_text(file.boxes[i])} [x, y, width, '
            'height] of no area: it is left out'
        ),
    )


def check_areas(file: CocoFile, why: str) -> Iterator[Finding]:
    """Every annotation has its area, in pixels; ``why``, e.g. 'mmdet reads', is for the message."""
    yield from first_of(
        stop,
        np.flatnonzero(~np.isfinite(file.areas)),
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
    yield from first_of(
        stop if len(none) > MOST * len(file) else warn,
        none,
        lambda i: (
            f'{file.path}: {file.name(i)} has the area {file.areas[i]:g} and '
            f'the bbox {row_text(file.boxes[i])}: it is left out or judged by no size'
        ),
    )
    if tiny.sum() > MOST * len(file) > 0 and not len(none):
        larger = np.flatnonzero(tiny)
    if len(larger) > 0.1 * len(file):
        i = larger[0]
        yield warn(
            f'{file.path}: {file.name(i)} has the area {file.areas[i]:g} and the bbox '
            f'{row_text(file.boxes[i])}, as {len(larger) - 1} more do not agree; the area is in '
            'pixels'
        )


def check_detected_people(path: Path, file: CocoFile) -> Iterator[Finding]:
    """A file of detections, which a pose network is evaluated on, is of the images of ``file``."""
    total, faults, strays, boxes, images = 0, [], [], [], []
    number_of = {image_id: number for number, image_id in enumerate(file.image_ids)}
    try:
        for key, number, entry in entries(path):
            if key != '':
                keys = ', '.join(DETECTION_KEYS)
                yield stop(f'{path} is no list of detections, each with {keys}')
                return
            if number is None:
                continue
            total += 1
            fault = detection_fault(entry)
            if fault is not None:
                faults.append(f'{path}: detection number {number} {fault}')
            elif entry['category_id'] == PERSON:
                boxes.append(numbers_in(entry['bbox'][:4], 4))
                images.append(number_of.get(entry['image_id'], -1))
                if images[-1] < 0:
                    strays.append((number, entry['image_id']))
    except ValueError as error:
        yield stop(f'{path} is not JSON ({error})')
        return
    yield from first_of(stop, faults)
    yield from first_of(
        stop,
        strays,
        lambda stray: (
            f'{path}: detection number {stray[0]} has the image_id {stray[1]!r}, which is no image '
            f'of {file.path}: its images are {few_sorted(number_of, 5)}'
        ),
    )
    if boxes:
        yield from check_detected_boxes(path, np.array(boxes), np.array(images), file)
    elif not faults:
        yield stop(
            f'{path} has {total} detections, none with the category_id {PERSON}, which is what '
            'mmpose takes as a person'
        )


def detection_fault(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return f'is a {type(entry).__name__}, not a dict with {", ".join(DETECTION_KEYS)}'
    for key in DETECTION_KEYS:
        if key not in entry:
            return f'lacks {key!r}'
    if not isinstance(entry['bbox'], list) or np.isnan(numbers_in(entry['bbox'][:4], 4)).any():
        return f'has the bbox {entry["bbox"]!r}, not [x, y, width, height] in pixels'
    return None


def check_detected_boxes(
    path: Path, boxes: np.ndarray, images: np.ndarray, file: CocoFile
) -> Iterator[Finding]:
    """Boxes (people, 4) of detections have an area in their images, and are no corners."""
    if (boxes <= 1).all():
        yield stop(
            f'{path}: all boxes are numbers from 0 to 1, e.g. {row_text(boxes[0])}; write pixels'
        )
    yield from first_of(
        warn,
        np.flatnonzero((boxes[:, 2:] <= 0).any(axis=1)),
        lambda i: f'{path}: a detection has the bbox {row_text(boxes[i])} of no area',
    )
    sizes = np.append(file.sizes, [[np.inf, np.inf]], axis=0)[images]
    exceeds = ends_outside(boxes, sizes)
    if looks_like_corners(boxes, sizes).mean() > MOST and exceeds.mean() > 0.2:
        i = int(exceeds.argmax())
        yield stop(
            f'{path}: the image {file.image_ids[images[i]]!r} has a detection with the bbox '
            f'{row_text(boxes[i])}, which ends outside of it, as many do: it looks like two '
            'corners [x1, y1, x2, y2]; write [x, y, width, height]'
        )
