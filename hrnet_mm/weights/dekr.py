"""DEKR's branch of offsets, by our names: layers of each keypoint, or one with groups of channels.

The official network (arXiv 2104.02300, HRNet/DEKR ``hrnet_dekr.py``) has a chain of layers for each
keypoint, mmpose's DEKRHead grouped convolutions. Here the first has the keypoint's number in the
names, ``head.displacement_conv_layers.1.16.adapt_conv.weight``.

An adaptive convolution samples at the offsets ``T R - R + t`` from its regular grid R. Officially
two convolutions give T, a matrix of 2 x 2, and t; mmpose's one gives ``[T - 1 | t]`` row by row. So
the identity goes into its bias, and the rows are interleaved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from hrnet_mm.weights.recognise import COUNTER, StateDict
from hrnet_mm.weights.rules import DEKR_OFFSETS

Moved = tuple[dict[str, Tensor], dict[str, str]]  # the weights, and from old names to new ones

_LAYER = re.compile(rf'({re.escape(DEKR_OFFSETS)}[123]\.)(?:(\d+)\.)?(.+)')
_LAST = f'{DEKR_OFFSETS}3.'
_GRID, _MATRIX, _SHIFT = 'regular_matrix', 'transform_matrix_conv.', 'translation_conv.'
_IN_MATRIX, _IN_SHIFT = (0, 1, 3, 4), (2, 5)  # the rows of T and t in mmpose's convolution


def join_keypoints(weights: StateDict) -> Moved:
    """From layers of each keypoint to groups of channels.

    Raises:
        ValueError: a weight of a keypoint is missing.
    """
    joined, became = {}, {}
    layers: dict[str, dict[int, Tensor]] = {}
    for name, weight in weights.items():
        found = _LAYER.fullmatch(name)
        if found is None or found[2] is None:
            joined[name] = weight
            continue
        layers.setdefault(found[1] + found[3], {})[int(found[2])] = weight
        became[name] = found[1] + found[3].replace(_SHIFT, _MATRIX)
    number = max(map(len, layers.values()), default=0)
    for name, of_keypoints in layers.items():
        for keypoint in range(number):
            if keypoint not in of_keypoints:
                raise ValueError(f'{name} of keypoint {keypoint} is missing, of {number}')
        weight = torch.stack([of_keypoints[keypoint] for keypoint in range(number)])
        if _MATRIX in name:
            shifts = layers.get(name.replace(_MATRIX, _SHIFT))
            if shifts is None:
                raise ValueError(f'{name.replace(_MATRIX, _SHIFT)} is missing')
            shift = torch.stack([shifts[keypoint] for keypoint in range(number)])
            joined[name] = _interleaved(name, weight, shift).flatten(0, 1)
        elif name.endswith(_GRID):  # the same for all; a third row of ones takes t
            joined[name] = torch.cat((weight[0], torch.ones_like(weight[0][:1])))
        elif _SHIFT not in name:
            joined[name] = weight[0] if name.endswith(COUNTER) else weight.flatten(0, 1)
    return joined, became


def part_keypoints(weights: StateDict) -> Moved:
    """From groups of channels to layers of each keypoint.

    Raises:
        ValueError: the channels of a layer are not those of so many keypoints.
    """
    parted, became = {}, {}
    number = len(weights[f'{_LAST}bias']) // 2 if f'{_LAST}bias' in weights else 0
    for name, weight in weights.items():
        found = _LAYER.fullmatch(name)
        if found is None:
            parted[name] = weight
            continue
        became[name] = f'{found[1]}0.{found[3]}'
        for rest, pieces in _pieces(found[3], weight, number):
            names = [f'{found[1]}{keypoint}.{rest}' for keypoint in range(number)]
            parted.update(zip(names, pieces, strict=True))
    return parted, became


def _pieces(name: str, weight: Tensor, number: int) -> Iterator[tuple[str, list[Tensor]]]:
    """The weights of each keypoint that one of mmpose's is cut into, and their name in a layer."""
    if name == _GRID or name.endswith(COUNTER):
        yield name, [weight[:2] if name == _GRID else weight] * number
        return
    if not number or len(weight) % number:
        raise ValueError(f'{name} has {len(weight)} channels, for {number} keypoints')
    groups = weight.unflatten(0, (number, -1))
    if _MATRIX not in name:
        yield name, list(groups)
        return
    matrix = groups[:, _IN_MATRIX]
    yield name, list(matrix + _identity(matrix) if name.endswith('bias') else matrix)
    yield name.replace(_MATRIX, _SHIFT), list(groups[:, _IN_SHIFT])


def _interleaved(name: str, matrix: Tensor, shift: Tensor) -> Tensor:
    """mmpose's rows (K, 6, ...) of those of T (K, 4, ...) and of t (K, 2, ...)."""
    rows = torch.cat((matrix, shift), 1)
    rows[:, _IN_MATRIX] = matrix - _identity(matrix) if name.endswith('bias') else matrix
    rows[:, _IN_SHIFT] = shift
    return rows


def _identity(like: Tensor) -> Tensor:
    """The matrix of 2 x 2 as a row."""
    return like.new_tensor([1, 0, 0, 1])
