"""How far the maps of an engine are from the model's, and how far is still rounding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Far above what a network that works has, and far below what a broken one has (1 for a map of
# zeros): a hundred layers in bf16, with random weights, differ by 0.08.
TOLERANCES = {'fp32': 1e-4, 'fp16': 5e-2, 'bf16': 2e-1, 'int8': 5e-1}
CUDA_TOLERANCES = TOLERANCES | {'fp32': 1e-2}  # cuDNN rounds float32 convolutions to TF32


def largest_difference(
    actual: Sequence[Tensor], expected: Sequence[Tensor], precision: str
) -> float:
    """Of all maps the largest relative difference; NaN if there is one.

    In fp32 it is the largest difference over the largest magnitude. In a lower precision, where
    single numbers may be far off and int8 clips large ones on purpose, it is the root mean square
    of the difference over that of the map.
    """
    order = torch.inf if precision == 'fp32' else 2
    norm = torch.linalg.vector_norm
    pairs = zip(actual, expected, strict=True)
    return float(
        torch.stack([norm(x - y, order) / norm(y, order).clamp(min=1e-30) for x, y in pairs]).max()
    )


def odd_size(least: int = 32) -> tuple[int, int]:
    """Height and width of a small image whose maps do not divide each other.

    Args:
        least: the shortest side that the network takes, in pixels.
    """
    return least + 1, least + 15


def of_odd_size(image: Tensor, least: int = 32) -> Tensor:
    """The first of some images (N, C, H, W) at :func:`odd_size`, (1, C, h, w)."""
    size = odd_size(least)
    return F.interpolate(image[:1], size=size, mode='bilinear', align_corners=False)


def tolerance(precision: str, device: torch.device) -> float:
    """The largest difference that is still rounding."""
    return (CUDA_TOLERANCES if device.type == 'cuda' else TOLERANCES)[precision]
