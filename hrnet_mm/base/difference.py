"""How far maps are from those that they should be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def relative_difference(
    actual: Sequence[Tensor], expected: Sequence[Tensor], order: float = torch.inf
) -> float:
    """The norm of the difference over the norm of ``expected``, of the map where it is largest.

    Args:
        actual, expected: maps of the same shapes, in pairs.
        order: of the norm: ``inf``, the largest number of a map, or 2, its root mean square.

    Returns:
        0 if there are no maps, and NaN if there is one in a map.
    """
    norm = torch.linalg.vector_norm
    pairs = zip(actual, expected, strict=True)
    found = [float(norm(x - y, order) / norm(y, order).clamp(min=1e-30)) for x, y in pairs]
    return float(torch.tensor([0.0, *found], dtype=torch.float64).max())  # which keeps NaN
