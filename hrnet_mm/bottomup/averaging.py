"""From what a head predicts to one set of maps of an image: resolutions, flips and scales averaged.

As lib/core/inference.py of HigherHRNet's official code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[Tensor, Tensor]  # heatmaps (N, K, h, w) and tags (N, T * K, h, w)


def at_finest(predicted: Sequence[Tensor], num_keypoints: int, align_corners: bool) -> Pair:
    """Of a head's maps, coarsest first, the mean of the heatmaps and the tags, at the finest."""
    size = predicted[-1].shape[2:]
    resized_maps = [resized(maps, size, align_corners) for maps in predicted]
    heatmaps = mean([maps[:, :num_keypoints] for maps in resized_maps])
    return heatmaps, resized_maps[0][:, num_keypoints:]


def flipped_back(maps: Tensor, flip_indices: Sequence[int], shift: bool) -> Tensor:
    """Maps (N, K, h, w) of a flipped image as those of the image.

    Args:
        flip_indices: for each keypoint the one of the other side.
        shift: move them by one pixel to the right, as mmpose's ``shift_heatmap``.
    """
    maps = maps.flip(-1)[:, flip_indices]
    return torch.cat((maps[..., :1], maps[..., :-1]), dim=-1) if shift else maps


def averaged(scales: Sequence[Sequence[Pair]], size: Sequence[int], align_corners: bool) -> Pair:
    """All heatmaps averaged at one size, and the tags of the first scale, concatenated.

    Args:
        scales: for every scale of the image its views: the image and, it may be, the flipped one.
        size: height and width of the maps.
    """
    heatmaps = [mean([resized(maps, size, align_corners) for maps, _ in views]) for views in scales]
    tags = [resized(maps, size, align_corners) for _, maps in scales[0]]
    return mean(heatmaps), torch.cat(tags, dim=1)


def resized(maps: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return F.interpolate(maps, tuple(size), mode='bilinear', align_corners=align_corners)


def mean(maps: Sequence[Tensor]) -> Tensor:
    return sum(maps) / len(maps)
