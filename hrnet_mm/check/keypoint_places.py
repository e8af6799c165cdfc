"""Checks of where keypoints are: in pixels, x first, on their box and in their image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.check import coco
from hrnet_mm.check.boxes import MARGIN
from hrnet_mm.check.findings import Finding, first_of, stop, warn


def check_coordinates(file: CocoFile, numbers: np.ndarray) -> Iterator[Finding]:
    """Keypoints are x, y in pixels, near their box."""
    xy, visible = points_of(file)
    labelled = visible > 0
    some = np.flatnonzero(labelled.any(axis=1) & (numbers >= 0) & ~file.crowds)
    if not len(some):
        return
    xy, labelled, sizes = xy[some], labelled[some], file.sizes[numbers[some]]
    largest = np.where(labelled, xy.max(axis=2), 0).max(axis=1)
    if (largest <= 1.5).mean() > coco.MOST and (sizes > 8).all():
        i = some[0]
        yield stop(
            f'{file.path}: {file.name(i)} has the keypoints '
            f'{coco.shown(file.keypoints[i][:6])}, ..., as all have x and y from 0 to 1; write '
            'pixels: x times the width of the image and y times its height'
        )
        return
    inside = share_near_box(xy, labelled, file.boxes[some])
    swapped = share_near_box(xy[..., ::-1], labelled, file.boxes[some])
    boxed = np.isfinite(inside)
    if boxed.sum() > 1 and np.mean(inside[boxed]) < 0.7 < np.mean(swapped[boxed]):
        i = some[boxed][int(np.argmin(inside[boxed]))]
        yield stop(
            f'{file.path}: the keypoints of {file.name(i)} are outside of its bbox '
            f'{coco.shown(file.boxes[i])} and would be inside with x and y exchanged, as most '
            'are; write x first'
        )
        return
    far = np.flatnonzero(boxed & (inside < 0.3))
    level = stop if len(far) > 0.5 * len(some) else warn

    def text(n: int) -> str:
        begin, end = extent(xy[n], labelled[n])
        return (
            f'{file.path}: {file.name(some[n])} has keypoints from {coco.shown(begin)} to '
            f'{coco.shown(end)}, outside of its bbox {coco.shown(file.boxes[some[n]])}: they are '
            'not of this box'
        )

    yield from first_of(level, far, text)
    yield from check_centers(file, some, xy, labelled)
    yield from check_origin(file, some, xy, labelled)
    yield from check_far_outside(file, some, xy, labelled, sizes, far)


def check_centers(
    file: CocoFile, some: np.ndarray, xy: np.ndarray, labelled: np.ndarray
) -> Iterator[Finding]:
    """Boxes begin where their people do, and not in the middle of them."""
    boxes = file.boxes[some]
    with np.errstate(invalid='ignore'):
        full = (boxes[:, 2:] > 0).all(axis=1) & (labelled.sum(axis=1) > 4)
    if full.sum() < 2:
        return
    shares = (xy - boxes[:, None, :2]) / np.where(boxes[:, 2:] > 0, boxes[:, 2:], 1)[:, None]
    shares = np.where(labelled[..., None], shares, np.nan)[full]
    begin, end = np.nanmin(shares, axis=1), np.nanmax(shares, axis=1)
    # Around a center, points go from -0.5 to 0.5 of the size; from a corner, from 0 to 1.
    if np.median(begin) < -0.25 and np.median(end) < 0.75:
        i = some[full][0]
        yield stop(
            f'{file.path}: the keypoints of {file.name(i)} lie around the first two numbers of its '
            f'bbox {coco.shown(file.boxes[i])}, as most do, and not from there on: is it '
            '[center x, center y, width, height]? Write [x, y, width, height] of the upper left '
            'corner'
        )


def check_origin(
    file: CocoFile, some: np.ndarray, xy: np.ndarray, labelled: np.ndarray
) -> Iterator[Finding]:
    """What is not labelled, x = y = 0, has the visibility 0."""
    at_origin = (xy == 0).all(axis=2) & labelled
    yield from first_of(
        warn,
        np.flatnonzero(at_origin.any(axis=1)),
        lambda n: (
            f'{file.path}: {file.name(some[n])} has the keypoint {int(at_origin[n].argmax())} of '
            'its keypoints at x = y = 0 as labelled: write the visibility 0 if it is not known'
        ),
    )


def check_far_outside(
    file: CocoFile,
    some: np.ndarray,
    xy: np.ndarray,
    labelled: np.ndarray,
    sizes: np.ndarray,
    told: np.ndarray,
) -> Iterator[Finding]:
    margin = np.maximum(0.1 * sizes, 5)[:, None]
    beyond = (xy < -margin) | (xy > sizes[:, None] + margin)
    outside = np.flatnonzero((beyond.any(axis=2) & labelled).any(axis=1))

    def text(n: int) -> str:
        k = int(np.flatnonzero(beyond[n].any(axis=1) & labelled[n])[0])
        return (
            f'{file.path}: {file.name(some[n])} has the keypoint {k} of its keypoints at '
            f'{coco.shown(xy[n, k])}, outside of its image of {coco.shown(sizes[n], "x")}'
        )

    yield from first_of(warn, np.setdiff1d(outside, told), text)


def share_near_box(xy: np.ndarray, labelled: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Of each annotation, which share of its labelled points is in its box, a quarter enlarged."""
    with np.errstate(invalid='ignore'):
        margin = 0.25 * boxes[:, None, 2:].max(axis=2, keepdims=True) + MARGIN
        begin, end = boxes[:, None, :2] - margin, boxes[:, None, :2] + boxes[:, None, 2:] + margin
        near = ((xy >= begin) & (xy <= end)).all(axis=2) & labelled
        share = near.sum(axis=1) / labelled.sum(axis=1)
    return np.where((boxes[:, 2:] > 0).all(axis=1), share, np.nan)


def extent(xy: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return xy[labelled].min(axis=0), xy[labelled].max(axis=0)


def points_of(file: CocoFile) -> tuple[np.ndarray, np.ndarray]:
    """(annotations, K, 2) x and y, and (annotations, K) visibility; 0 where there is no list."""
    points = np.nan_to_num(file.keypoints)
    points = points.reshape(len(file), points.shape[1] // 3, 3)
    return points[..., :2], points[..., 2]
