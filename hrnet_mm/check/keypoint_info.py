"""Checks of metainfo for keypoints: names, mirrored pairs, bones, and lists of K numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.check.findings import Finding, stop

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
