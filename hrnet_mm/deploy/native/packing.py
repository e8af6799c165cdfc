"""Filters in the order in which the kernels read them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# The finite points at which Winograd's polynomials are evaluated, for tiles of 2 and of 4 outputs,
# as in kernels/winograd.h; the last point is infinity.
POINTS = {2: (0, 1, -1), 4: (0, 0.75, -0.75, 1.5, -1.5)}


def pack(weight: Tensor, tile: int, lanes: int, widest: int, dtype: torch.dtype) -> Tensor:
    """Filters as panels of output channels, each a matrix with a row for every word it reads.

    Args:
        weight: (out_channels, in_channels, k, k).
        tile: outputs of a Winograd tile along a side, or 0 for a direct convolution.
        lanes: numbers in a vector.
        widest: vectors in the widest panel.
        dtype: float32, or bfloat16 of which two are a word of 4 bytes.

    Returns:
        One row of numbers, filled up with zeros to whole vectors and whole words.
    """
    per_word = 4 // dtype.itemsize
    if tile:
        once = filter_transform(tile)
        both = torch.kron(once, once)  # along y and x: (positions, 9)
        positions = both @ weight.double().reshape(-1, 9).T
        rows = positions.reshape(-1, *weight.shape[:2]).transpose(1, 2)
    else:
        rows = weight.permute(2, 3, 1, 0).reshape(1, -1, weight.shape[0])
    rows = F.pad(rows, (0, -rows.shape[2] % lanes, 0, -rows.shape[1] % per_word)).to(dtype)
    words = rows.unflatten(1, (-1, per_word)).transpose(2, 3)
    parts = words.split(panels(weight.shape[0], lanes, widest), dim=2)
    return torch.cat([part.reshape(-1) for part in parts])


def filter_transform(tile: int) -> Tensor:
    """The matrix G of Lavin and Gray (arXiv 1509.09308): (tile + 2, 3).

    Row j evaluates the filter as a polynomial at point p_j, over the product of all p_j - p_i.
    """
    points = POINTS[tile]
    rows = []
    for p in points:
        scale = math.prod(p - other for other in points if other != p)
        rows.append([1 / scale, p / scale, p * p / scale])
    return torch.tensor([*rows, [0, 0, 1]], dtype=torch.float64)


def fill_up(x: Tensor, lanes: int) -> Tensor:
    """Zeros after the last dimension, up to whole vectors."""
    return F.pad(x, (0, -x.shape[-1] % lanes))


def panels(channels: int, lanes: int, widest: int) -> list[int]:
    """The number of channels in each panel, by the rule of ``panel_width`` in kernels.cpp."""

    left, widths = -(-channels // lanes), []
    while left:
        if widest == 2 or left < 3:
            widths.append(min(left, 2))
        else:
            widths.append(4 if left % 4 == 0 else 3)
        left -= widths[-1]
    return [width * lanes for width in widths]
