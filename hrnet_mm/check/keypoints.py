"""Checks of keypoints: where they are, which are visible, and the metainfo that names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.check.boxes import MARGIN
from hrnet_mm.check.coco import MOST, check_faults
from hrnet_mm.check.findings import Finding, first_of, row_text, size_text, stop, warn

NEEDED = ('dataset_name', 'keypoint_info', 'skeleton_info', 'joint_weights', 'sigmas')
SIDE = re.compile(r'(?<![a-z])(left|right)(?![a-z])', re.IGNORECASE)


def check_metainfo(metainfo: Mapping[str, Any] | None, key: str) -> Iterator[Finding]:
    """What is wrong with a metainfo that a config or a file of its own gives.

    Args:
        metainfo: of a dataset's config; what a host's class brings along is not looked at.
        key: the dataset in the config.
    """
    place = f'{key}.metainfo'
    if not metainfo:
        return
    file = metainfo.get('from_file')
    if file is not None:
        if not Path(file).is_file():
            return  # a host's own file, or the host says that there is none
        place, metainfo = f'{place} ({file})', Config.fromfile(file).get('dataset_info', {})
    missing = [name for name in NEEDED if name not in metainfo]
    if missing:
        yield stop(f'{place} lacks {missing[0]!r}; it needs {", ".join(NEEDED)}')
        return
    points = list(metainfo['keypoint_info'].values())
    yield from check_points(place, metainfo['keypoint_info'])
    names = [point.get('name') for point in points]
    yield from check_swaps(place, {point.get('name'): point.get('swap', '') for point in points})
    for number, bone in metainfo['skeleton_info'].items():
        for name in bone.get('link', ()):
            if name not in names:
                yield stop(
                    f'{place}.skeleton_info[{number!r}] links {bone["link"]!r}, but no keypoint '
                    f'has the name {name!r}'
                )
    for name in ('joint_weights', 'sigmas'):
        if len(metainfo[name]) != len(points):
            yield stop(
                f'{place}.{name} has {len(metainfo[name])} numbers and keypoint_info '
                f'{len(points)} keypoints; it needs one for each'
            )
    large = [sigma for sigma in metainfo['sigmas'] if not 0 < sigma <= 1]
    if large:
        yield stop(
            f'{place}.sigmas has {large[0]}; a sigma is a share of the size of a person, above 0 '
            'and most often 0.025 to 0.1'
        )


def check_points(place: str, points: Mapping[Any, Mapping[str, Any]]) -> Iterator[Finding]:
    """Keypoints are numbered 0, 1, ... in order, and have names of their own."""
    names: dict[Any, Any] = {}
    for number, (key, point) in enumerate(points.items()):
        where = f'{place}.keypoint_info[{key!r}]'
        if key != number or point.get('id', number) != number:
            yield stop(
                f'{where} is keypoint number {number} with the id {point.get("id", key)!r}; '
                'keypoints stand there in the order 0, 1, 2, ... of the annotation file'
            )
            return
        name = point.get('name')
        if name is None or name in names:
            yield stop(
                f'{where} has the name {name!r}'
                + (f', as keypoint {names[name]!r} has' if name in names else '')
                + '; each keypoint has a name of its own'
            )
        names.setdefault(name, key)


def check_swaps(place: str, swaps: Mapping[str, str]) -> Iterator[Finding]:
    """Mirrored keypoints name each other, and left is mirrored to right."""
    for name, swap in swaps.items():
        where = f'{place}.keypoint_info: {name!r} has swap={swap!r}'
        mirrored = SIDE.sub(other_side, str(name))
        if swap and swap not in swaps:
            yield stop(f'{where}, but no keypoint has that name')
        elif mirrored != name and mirrored in swaps and swap != mirrored:
            yield stop(f'{where}; in a flipped image it is {mirrored!r}: write swap={mirrored!r}')
        elif swap and swaps[swap] not in (name, '') or swap and swap != name and not swaps[swap]:
            yield stop(f'{where}, but {swap!r} has swap={swaps[swap]!r}; the two name each other')


def other_side(side: re.Match[str]) -> str:
    """right for left, Right for Left."""
    other = dict(left='right', right='left')[side[0].lower()]
    return other.title() if side[0].istitle() else other.upper() if side[0].isupper() else other


def check_annotated_keypoints(file: CocoFile) -> Iterator[Finding]:
    """Each annotation has K times x, y and visibility, at places that can be right."""
    yield from check_faults(file, 'keypoints')
    wrong = ~np.isfinite(file.keypoints)
    yield from first_of(
        stop,
        np.flatnonzero(wrong.any(axis=1) & ~np.isnan(file.keypoints).all(axis=1)),
        lambda i: f'{file.path}: {file.name(i)} has keypoints that are not finite',
    )
    points = np.nan_to_num(file.keypoints)
    points = points.reshape(len(file), points.shape[1] // 3, 3)
    yield from check_visibility(file, points[..., :2], points[..., 2])
    yield from check_places(file, points[..., :2], points[..., 2] > 0)


def check_visibility(file: CocoFile, xy: np.ndarray, visible: np.ndarray) -> Iterator[Finding]:
    """Visibility (annotations, K) is 0, 1 or 2, and somebody is visible."""
    wrong = np.flatnonzero(((visible < 0) | (visible > 2)).any(axis=1))

    def text(i: int) -> str:
        k = int(np.flatnonzero((visible[i] < 0) | (visible[i] > 2))[0])
        return (
            f'{file.path}: {file.name(i)} has the visibility {visible[i, k]:g} at number '
            f'{3 * k + 2} of its keypoints; it is 0 (not labelled), 1 (hidden) or 2 (visible)'
        )

    yield from first_of(stop if len(wrong) > MOST * len(file) else warn, wrong, text)
    placed = (xy > 0).any(axis=(1, 2))
    unseen = np.flatnonzero(placed & (visible <= 0).all(axis=1))
    if len(unseen) > MOST * placed.sum():
        yield stop(
            f'{file.path}: {file.name(unseen[0])} has keypoints with x and y and the visibility 0, '
            f'as {len(unseen) - 1} more have: points of visibility 0 are not trained on; write 2'
        )
    yield from first_of(
        warn,
        np.flatnonzero((file.counts == 0) & (visible > 0).any(axis=1) & ~file.crowds),
        lambda i: (
            f"{file.path}: {file.name(i)} has the 'num_keypoints' 0 and "
            f'{int((visible[i] > 0).sum())} visible keypoints: it is left out'
        ),
    )


def check_places(file: CocoFile, xy: np.ndarray, labelled: np.ndarray) -> Iterator[Finding]:
    """Keypoints are x, y in pixels, near their box and in their image.

    Args:
        file: the annotation file.
        xy: (annotations, K, 2).
        labelled: (annotations, K) bool.
    """
    images = file.image_numbers
    some = np.flatnonzero(labelled.any(axis=1) & (images >= 0) & ~file.crowds)
    if not len(some):
        return
    xy, labelled, sizes = xy[some], labelled[some], file.sizes[images[some]]
    largest = np.where(labelled, xy.max(axis=2), 0).max(axis=1)
    if (largest <= 1.5).mean() > MOST and (sizes > 8).all():
        i = some[0]
        yield stop(
            f'{file.path}: {file.name(i)} has the keypoints {row_text(file.keypoints[i][:6])}, '
            '..., as all have x and y from 0 to 1; write pixels: x times the width of the image '
            'and y times its height'
        )
        return
    inside = share_near_box(xy, labelled, file.boxes[some])
    swapped = share_near_box(xy[..., ::-1], labelled, file.boxes[some])
    boxed = np.isfinite(inside)
    if boxed.sum() > 1 and np.mean(inside[boxed]) < 0.7 < np.mean(swapped[boxed]):
        i = some[boxed][int(np.argmin(inside[boxed]))]
        yield stop(
            f'{file.path}: the keypoints of {file.name(i)} are outside of its bbox '
            f'{row_text(file.boxes[i])} and would be inside with x and y exchanged, as most '
            'are; write x first'
        )
        return
    far = np.flatnonzero(boxed & (inside < 0.3))

    def text(n: int) -> str:
        points = xy[n][labelled[n]]
        return (
            f'{file.path}: {file.name(some[n])} has keypoints from {row_text(points.min(axis=0))} '
            f'to {row_text(points.max(axis=0))}, outside of its bbox '
            f'{row_text(file.boxes[some[n]])}: they are not of this box'
        )

    yield from first_of(stop if len(far) > 0.5 * len(some) else warn, far, text)
    yield from check_centers(file, some, xy, labelled)
    at_origin = (xy == 0).all(axis=2) & labelled
    yield from first_of(
        warn,
        np.flatnonzero(at_origin.any(axis=1)),
        lambda n: (
            f'{file.path}: {file.name(some[n])} has the keypoint {int(at_origin[n].argmax())} of '
            'its keypoints at x = y = 0 as labelled: write the visibility 0 if it is not known'
        ),
    )
    margin = np.maximum(0.1 * sizes, 5)[:, None]
    beyond = ((xy < -margin) | (xy > sizes[:, None] + margin)).any(axis=2) & labelled

    def text_outside(n: int) -> str:
        k = int(beyond[n].argmax())
        return (
            f'{file.path}: {file.name(some[n])} has the keypoint {k} of its keypoints at '
            f'{row_text(xy[n, k])}, outside of its image of {size_text(sizes[n])}'
        )

    outside = np.setdiff1d(np.flatnonzero(beyond.any(axis=1)), far)
    yield from first_of(warn, outside, text_outside)


def check_centers(
    file: CocoFile, some: np.ndarray, xy: np.ndarray, labelled: np.ndarray
) -> Iterator[Finding]:
    """Boxes, of the annotations ``some``, begin where their people do and not in their middle."""
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
            f'bbox {row_text(file.boxes[i])}, as most do, and not from there on: is it '
            '[center x, center y, width, height]? Write [x, y, width, height] of the upper left '
            'corner'
        )


def share_near_box(xy: np.ndarray, labelled: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Of each annotation, which share of its labelled points is in its box, a quarter enlarged."""
    with np.errstate(invalid='ignore'):
        margin = 0.25 * boxes[:, None, 2:].max(axis=2, keepdims=True) + MARGIN
        begin, end = boxes[:, None, :2] - margin, boxes[:, None, :2] + boxes[:, None, 2:] + margin
        near = ((xy >= begin) & (xy <= end)).all(axis=2) & labelled
        share = near.sum(axis=1) / labelled.sum(axis=1)
    return np.where((boxes[:, 2:] > 0).all(axis=1), share, np.nan)
