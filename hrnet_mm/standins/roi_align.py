"""RoIAlign, forward and backward: the mean or maximum of bilinear samples in each bin of a box.

A bin of gh x gw samples, one pixel apart or less, reads about (gh + 1) x (gw + 1) pixels. Their
weights are merged for each axis first, so that a bin is one weighted sum of few rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hrnet_mm.standins.accelerated import torchvision_operator
from hrnet_mm.standins.bilinear import add_rows_to, add_to_rows, rows_of, sums_of_rows
from hrnet_mm.standins.suppression import as_floats

MEAN, MAXIMUM = 1, 0  # mmcv's numbers of the modes
NO_SAMPLE = -10000.0  # the maximum of a bin without samples, e.g. of a box without area
ENTRIES = 1 << 22  # indices computed at a time, 32 MB


@dataclass(frozen=True)
class Pooling:
    """What RoIAlign is called with: a grid of ``height`` x ``width`` bins for each box."""

    height: int
    width: int
    spatial_scale: float
    sampling_ratio: int
    aligned: bool


@dataclass(frozen=True)
class Group:
    """Boxes that have the same number of samples: ``indices`` (R,), their images (R,).

    ``y`` is (R, height, gh), the samples of each row of bins; ``x`` is (R, width, gw).
    """

    indices: Tensor
    images: Tensor
    y: Tensor
    x: Tensor


def forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    mode: int,
    pooling: Pooling,
) -> None:
    """Fill ``output``, (R, C, height, width); the places of maxima too if they are asked for."""
    on_device = torchvision_operator('roi_align', features.device)
    if on_device is not None and mode == MEAN:
        p = pooling
        arguments = (p.spatial_scale, p.height, p.width, p.sampling_ratio, p.aligned)
        output.copy_(on_device(features, rois.type_as(features), *arguments))
        return
    h, w = features.shape[2:]
    output.fill_(0 if mode == MEAN else NO_SAMPLE)
    if mode == MAXIMUM:
        argmax_y.fill_(-1)
        argmax_x.fill_(-1)
    if not len(rois):
        return
    rows = rows_of(as_floats(features))
    for group in groups_of(as_floats(rois).to(rows.dtype), pooling):
        if mode == MEAN:
            pixels, weights = pixels_of_bins(group, h, w)
            output[group.indices] = (
                sums_of_rows(rows, pixels, weights).permute(0, 3, 1, 2).to(output.dtype)
            )
            continue
        pixels, weights = pixels_of_samples(group, h, w)
        best, sample = sums_of_rows(rows, pixels, weights).max(dim=3)  # (R, height, width, C)
        y, x = sample.div(group.x.shape[2], rounding_mode='floor'), sample % group.x.shape[2]
        rows_y = group.y[:, :, None].expand(-1, -1, pooling.width, -1).gather(3, y)
        columns_x = group.x[:, None].expand(-1, pooling.height, -1, -1).gather(3, x)
        for to, values in ((output, best), (argmax_y, rows_y), (argmax_x, columns_x)):
            to[group.indices] = values.permute(0, 3, 1, 2).to(to.dtype)


def backward(
    gradient: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    mode: int,
    pooling: Pooling,
) -> None:
    """Add to ``grad_input``, (N, C, H, W), what (R, C, height, width) of the output give."""
    n, c, h, w = grad_input.shape
    if not len(rois):
        return
    if mode == MAXIMUM:
        add_gradient_of_maxima(gradient, rois, argmax_y, argmax_x, grad_input)
        return
    on_device = torchvision_operator('_roi_align_backward', gradient.device)
    if on_device is not None:
        p = pooling
        sizes = (p.spatial_scale, p.height, p.width, n, c, h, w, p.sampling_ratio, p.aligned)
        grad_input += on_device(gradient, rois.type_as(gradient), *sizes)
        return
    gradient = as_floats(gradient)
    rows = gradient.new_zeros(n * h * w, c)
    for group in groups_of(as_floats(rois).to(gradient.dtype), pooling):
        pixels, weights = pixels_of_bins(group, h, w)
        k = pixels.shape[-1]
        sums = gradient[group.indices].permute(0, 2, 3, 1).reshape(-1, c)
        add_to_rows(rows, sums, pixels.view(-1, k), weights.view(-1, k))
    add_rows_to(grad_input, rows)


def groups_of(rois: Tensor, pooling: Pooling) -> Iterator[Group]:
    """The samples of boxes, in groups of boxes with equally many; boxes without any are left out.

    The arithmetic is that of the compiled operator, so that a sample on the rim of the map counts
    here if it counts there.
    """
    scale = float(np.float32(pooling.spatial_scale))
    shift = 0.5 if pooling.aligned else 0.0
    images = rois[:, 0].long()
    start = rois[:, 1:3] * scale - shift
    size = (rois[:, 3:5] * scale - shift) - start  # (R, 2): width, height
    if not pooling.aligned:
        size = size.clamp(min=1)
    elif bool((size < 0).any()):
        raise RuntimeError('RoIAlign: a box has a negative width or height')
    bins = size.new_tensor([pooling.width, pooling.height])
    counts = (size / bins).float().ceil().long()
    if pooling.sampling_ratio > 0:
        counts = torch.full_like(counts, pooling.sampling_ratio)
    for count in torch.unique(counts, dim=0):
        gw, gh = count.tolist()
        if not gw or not gh:
            continue
        same = (counts == count).all(dim=1).nonzero()[:, 0]
        for indices in same.split(
            max(1, ENTRIES // (4 * gw * gh * pooling.width * pooling.height))
        ):
            x = samples_of(start[indices, 0], size[indices, 0] / pooling.width, pooling.width, gw)
            y = samples_of(start[indices, 1], size[indices, 1] / pooling.height, pooling.height, gh)
            yield Group(indices, images[indices], y, x)


def samples_of(start: Tensor, bin_size: Tensor, bins: int, count: int) -> Tensor:
    """Where samples lie along an axis: (R, bins, count)."""
    start, bin_size = start[:, None, None], bin_size[:, None, None]
    number = torch.arange(bins, device=start.device)[:, None]
    centres = torch.arange(count, dtype=start.dtype, device=start.device) + 0.5
    return start + number * bin_size + centres * bin_size / count


def neighbours_of(samples: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The two pixels between which each sample lies and their weights, both (..., 2).

    A sample up to one pixel outside of the map reads its rim; one further out has no weight.
    """
    is_inside = (samples >= -1) & (samples <= length)
    samples = samples.clamp(0, length - 1)
    low = samples.floor()
    weight = samples - low
    weights = torch.stack((1 - weight, weight), -1) * is_inside[..., None]
    low = low.long()
    return torch.stack((low, (low + 1).clamp(max=length - 1)), -1), weights


def pixels_of_axis(samples: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The pixels of each bin along an axis and their merged weights: (R, bins, K)."""
    pixels, weights = (pairs.flatten(2) for pairs in neighbours_of(samples, length))
    first = pixels[..., :1]
    places = pixels - first
    k = int(places.max()) + 1
    if k >= pixels.shape[2]:  # the samples lie further apart than pixels
        return pixels, weights
    merged = weights.new_zeros(*weights.shape[:2], k).scatter_add_(2, places, weights)
    return (first + torch.arange(k, device=first.device)).clamp(max=length - 1), merged


def pixels_of_bins(group: Group, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The rows that a bin is the sum of and their weights: (R, height, width, K)."""
    y, weights_y = pixels_of_axis(group.y, h)
    x, weights_x = pixels_of_axis(group.x, w)
    weights_y = weights_y / (group.y.shape[2] * group.x.shape[2])
    y = group.images[:, None, None] * (h * w) + y * w
    pixels = y[:, :, None, :, None] + x[:, None, :, None, :]
    weights = weights_y[:, :, None, :, None] * weights_x[:, None, :, None, :]
    return pixels.flatten(3), weights.flatten(3)


def pixels_of_samples(group: Group, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The four rows of each sample and their weights: (R, height, width, gh * gw, 4)."""
    y, weights_y = neighbours_of(group.y, h)
    x, weights_x = neighbours_of(group.x, w)
    y = group.images[:, None, None, None] * (h * w) + y * w
    pixels = y[:, :, None, :, None, :, None] + x[:, None, :, None, :, None, :]
    weights = weights_y[:, :, None, :, None, :, None] * weights_x[:, None, :, None, :, None, :]
    return pixels.flatten(5).flatten(3, 4), weights.flatten(5).flatten(3, 4)


def add_gradient_of_maxima(
    gradient: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor
) -> None:
    """Give each output's gradient to the four pixels round the sample that was the maximum."""
    _, c, h, w = grad_input.shape
    y, weights_y = neighbours_of(as_floats(argmax_y), h)
    x, weights_x = neighbours_of(as_floats(argmax_x), w)
    channels = torch.arange(c, device=rois.device)[:, None, None]
    planes = rois[:, 0].long()[:, None, None, None] * c + channels
    pixels = planes[..., None, None] * (h * w) + y[..., :, None] * w + x[..., None, :]
    weights = weights_y[..., :, None] * weights_x[..., None, :]
    parts = as_floats(gradient)[..., None, None] * weights
    parts = parts.masked_fill((argmax_y == -1)[..., None, None], 0)
    sums = parts.new_zeros(grad_input.numel()).index_add_(0, pixels.flatten(), parts.flatten())
    grad_input += sums.view(grad_input.shape)
