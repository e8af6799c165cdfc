"""A convolution whose factors are rounded to bfloat16, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# The finite points of hrnet_mm/kernels/cpp/transforms.h, by the outputs of a tile.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}


def rounded(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).double()


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, tile: int) -> Tensor:
    """3x3 or 1x1, of stride 1, in float64: direct for tile 0, by Winograd's method for 2 and 4."""
    if tile == 0 or weight.shape[2] == 1:
        bias = None if bias is None else bias.double()
        return F.conv2d(rounded(x), rounded(weight), bias, padding=weight.shape[2] // 2)
    inputs, filters, outputs = matrices(tile)
    h, w = x.shape[2:]
    padded = F.pad(x.double(), (1, 1 - w % -tile, 1, 1 - h % -tile))
    tiles = padded.unfold(2, tile + 2, tile).unfold(3, tile + 2, tile)
    u = rounded(torch.einsum('pi,qj,ncyxij->ncyxpq', inputs, inputs, tiles))
    v = rounded(torch.einsum('pi,qj,ocij->ocpq', filters, filters, weight.double()))
    products = torch.einsum('ncyxpq,ocpq->noyxpq', u, v)
    y = torch.einsum('ip,jq,noyxpq->noyixj', outputs, outputs, products)
    y = y.flatten(4).flatten(2, 3)[..., :h, :w]
    return y if bias is None else y + bias.double()[:, None, None]


def matrices(tile: int) -> tuple[Tensor, Tensor, Tensor]:
    """B^T, G and A^T of Lavin and Gray (arXiv 1509.09308) for a tile of outputs, in float64."""
    points = POINTS[tile]
    others = [[q for q in points if q != p] for p in points]
    inputs = [[*polynomial(rest), 0] for rest in others] + [polynomial(points)]
    scales = [math.prod(p - q for q in rest) for p, rest in zip(points, others, strict=True)]
    filters = [[p**k / s for k in range(3)] for p, s in zip(points, scales, strict=True)]
    outputs = [[*(p**k for p in points), float(k == tile - 1)] for k in range(tile)]
    rows = (inputs, [*filters, [0, 0, 1]], outputs)
    return tuple(torch.tensor(matrix, dtype=torch.float64) for matrix in rows)


def polynomial(roots: Sequence[float]) -> list[float]:
    """The coefficients of the product of all (x - root), that of the highest power last."""
    coefficients = [1.0]
    for root in roots:
        pairs = zip([0.0, *coefficients], [*coefficients, 0.0], strict=True)
        coefficients = [higher - root * lower for higher, lower in pairs]
    return coefficients
