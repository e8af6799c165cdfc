"""Checks of a file of detected people, which a pose network is evaluated on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.coco_file import CocoFile, numbers
from hrnet_mm.base.json_stream import entries
from hrnet_mm.check import coco
from hrnet_mm.check.boxes import looks_like_corners
from hrnet_mm.check.findings import Finding, first_of, stop, warn

PERSON = 1  # the category_id that mmpose takes, whatever the annotation file says
KEYS = ('image_id', 'category_id', 'bbox', 'score')


def check_box_file(path: Path, file: CocoFile) -> Iterator[Finding]:
    """Detections are of the images of the annotation file, and of people."""
    known, people, total, faults = set(file.image_ids), 0, 0, []
    strays: list[tuple[int, Any]] = []
    number_of = {image_id: number for number, image_id in enumerate(file.image_ids)}
    rows, images = [], []
    try:
        for key, number, entry in entries(path):
            if key != '':
                yield stop(f'{path} is no list of detections, each with {", ".join(KEYS)}')
                return
            if number is None:
                continue
            total += 1
            fault = detection_fault(entry)
            if fault is not None:
                faults.append(f'number {number} {fault}')
            elif entry['category_id'] == PERSON:
                people += 1
                rows.append(numbers(entry['bbox'][:4], 4))
                images.append(number_of.get(entry['image_id'], -1))
                if entry['image_id'] not in known:
                    strays.append((number, entry['image_id']))
    except ValueError as error:
        yield stop(f'{path} is not JSON ({error})')
        return
    yield from first_of(stop, range(len(faults)), lambda i: f'{path}: detection {faults[i]}')
    yield from first_of(
        stop,
        range(len(strays)),
        lambda i: (
            f'{path}: detection number {strays[i][0]} has the '
            f'image_id {strays[i][1]!r}, which is no image of {file.path}: its images are '
            f'{coco.few(known, 5)}'
        ),
    )
    if not people and not faults:
        yield stop(
            f'{path} has {total} detections, none with the category_id {PERSON}, which is what '
            'mmpose takes as a person'
        )
    yield from check_boxes(path, np.array(rows).reshape(-1, 4))
    yield from check_corners(path, np.array(rows).reshape(-1, 4), images, file)


def check_corners(
    path: Path, boxes: np.ndarray, images: list[int], file: CocoFile
) -> Iterator[Finding]:
    """Boxes of detections are inside of their images, and no corners."""
    sizes = np.append(file.sizes, [[np.inf, np.inf]], axis=0)[images]
    exceeds = (boxes[:, :2] + boxes[:, 2:] > 1.2 * sizes).any(axis=1)
    corners = looks_like_corners(boxes, sizes)
    if len(boxes) and corners.mean() > coco.MOST and exceeds.mean() > 0.2:
        i = int(exceeds.argmax())
        yield stop(
            f'{path}: the image {file.image_ids[images[i]]!r} has a detection with the bbox '
            f'{coco.shown(boxes[i])}, which ends outside of it, as many do: it looks like two '
            'corners [x1, y1, x2, y2]; write [x, y, width, height]'
        )


def detection_fault(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return f'is a {type(entry).__name__}, not a dict with {", ".join(KEYS)}'
    for key in KEYS:
        if key not in entry:
            return f'lacks {key!r}'
    if not isinstance(entry['bbox'], list) or np.isnan(numbers(entry['bbox'][:4], 4)).any():
        return f'has the bbox {entry["bbox"]!r}, not [x, y, width, height] in pixels'
    return None


def check_boxes(path: Path, boxes: np.ndarray) -> Iterator[Finding]:
    if len(boxes) and (boxes <= 1).all():
        yield stop(
            f'{path}: all boxes are numbers from 0 to 1, e.g. {coco.shown(boxes[0])}; write pixels'
        )
    empty = np.flatnonzero((boxes[:, 2:] <= 0).any(axis=1))
    yield from first_of(
        warn, empty, lambda i: f'{path}: a detection has the bbox {coco.shown(boxes[i])} of no area'
    )
