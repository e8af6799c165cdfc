"""Weighted sums of pixels, the step that RoIAlign and deformable convolution share.

A map (N, C, H, W) is read as rows of C channels, one a pixel: ``embedding_bag`` then sums the rows
of all samples at once, on all cores, in place of one kernel call a box.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rows_of(features: Tensor) -> Tensor:
    """(N, C, H, W) as (N * H * W, C): a view of a map that is channels-last, else a copy."""
    n, c, h, w = features.shape
    if features.is_contiguous() and c > 1:
        rows = features.new_empty(n, h * w, c)
        for i in range(n):
            rows[i].copy_(features[i].view(c, h * w).t())
        return rows.view(n * h * w, c)
    return features.permute(0, 2, 3, 1).reshape(n * h * w, c)


def sums_of_rows(rows: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """``(weights[..., None] * rows[indices]).sum(-2)``: (..., K) indices, weights to (..., C)."""
    *shape, k = indices.shape
    sums = F.embedding_bag(
        indices.reshape(-1, k), rows, per_sample_weights=weights.reshape(-1, k), mode='sum'
    )
    return sums.view(*shape, rows.shape[1])


def add_to_rows(rows: Tensor, sums: Tensor, indices: Tensor, weights: Tensor) -> None:
    """The transpose of :func:`sums_of_rows`: add (B, C) sums, (B, K) indices and weights to rows.

    The entries are sorted by row, so that each row is one sum too, in the same order every time.
    """
    bags = torch.arange(len(sums), device=sums.device)[:, None].expand_as(indices).reshape(-1)
    entries, order = indices.reshape(-1).sort(stable=True)
    touched, counts = torch.unique_consecutive(entries, return_counts=True)
    parts = F.embedding_bag(
        bags[order],
        sums,
        counts.cumsum(0) - counts,
        per_sample_weights=weights.reshape(-1)[order],
        mode='sum',
    )
    rows.index_add_(0, touched, parts)


def add_rows_to(features: Tensor, rows: Tensor) -> None:
    """Add (N * H * W, C) rows to (N, C, H, W)."""
    n, c, h, w = features.shape
    pixels = rows.view(n, h * w, c)
    for i in range(n):
        features[i] += pixels[i].t().contiguous().view(c, h, w)
