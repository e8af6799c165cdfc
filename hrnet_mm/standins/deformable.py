"""Deformable convolution, plain and modulated: bilinear samples as columns, then a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hrnet_mm.standins.accelerated import torchvision_operator
from hrnet_mm.standins.bilinear import rows_of, sums_of_rows
from hrnet_mm.standins.suppression import as_floats


@dataclass(frozen=True)
class Geometry:
    """Pairs are (y, x); each of the ``offset_groups`` moves an equal share of the channels."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    offset_groups: int


def convolve(
    features: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
) -> Tensor:
    """(N, C, H, W) to (N, O, Ho, Wo), differentiable.

    ``offset`` is (N, D * kh * kw * 2, Ho, Wo), y and x by turns, ``mask`` (N, D * kh * kw, Ho, Wo).
    """
    g = geometry
    on_device = torchvision_operator('deform_conv2d', features.device)
    if on_device is not None:
        empty_mask, empty_bias = features.new_zeros(len(features), 0), weight.new_zeros(len(weight))
        tensors = (
            features,
            weight,
            offset,
            empty_mask if mask is None else mask,
            empty_bias if bias is None else bias,
        )
        sizes = (*g.stride, *g.padding, *g.dilation, g.groups, g.offset_groups)
        return on_device(*tensors, *sizes, mask is not None)
    n, c = features.shape[:2]
    kernel, (ho, wo), d = weight.shape[2:], offset.shape[2:], g.offset_groups
    taps = kernel[0] * kernel[1]
    # y and x, both (N, Ho, Wo, taps, D)
    moved_y, moved_x = offset.reshape(n, d, taps, 2, ho, wo).permute(3, 0, 4, 5, 2, 1)
    y, x = regular_places(ho, wo, kernel, g, offset)
    pixels, weights = four_pixels(y + moved_y, x + moved_x, *features.shape[2:])
    if mask is not None:
        weights = weights * mask.reshape(n, d, taps, ho, wo).permute(0, 3, 4, 2, 1)[..., None]
    rows = rows_of(features).view(-1, c // d)
    pixels = pixels * d + torch.arange(d, device=pixels.device)[:, None]
    columns = sums_of_rows(rows, pixels, weights)  # (N, Ho, Wo, taps, D, C / D)
    columns = columns.view(n * ho * wo, taps, g.groups, c // g.groups).permute(2, 0, 1, 3)
    filters = weight.view(g.groups, -1, c // g.groups, taps).permute(0, 3, 2, 1)
    product = columns.flatten(2) @ filters.flatten(1, 2)  # (groups, N * Ho * Wo, O / groups)
    output = product.permute(1, 0, 2).reshape(n, ho, wo, -1).permute(0, 3, 1, 2)
    return output if bias is None else output + bias[:, None, None]


def regular_places(
    ho: int, wo: int, kernel: Sequence[int], g: Geometry, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Where taps lie before they are moved: y (Ho, 1, taps, 1) and x (Wo, taps, 1)."""

    def along(axis: int, size: int) -> Tensor:
        start = torch.arange(size, device=like.device) * g.stride[axis] - g.padding[axis]
        taps = torch.arange(kernel[axis], device=like.device) * g.dilation[axis]
        return (start[:, None] + taps).to(like.dtype)

    y, x = along(0, ho), along(1, wo)
    return (
        y.repeat_interleave(kernel[1], dim=1)[:, None, :, None],
        x.repeat(1, kernel[0])[:, :, None],
    )


def four_pixels(y: Tensor, x: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The pixels round each place, as numbers n * h * w + y * w + x, and their weights: (..., 4).

    A pixel outside of the map counts as zero. So does a place a whole pixel outside.
    """
    is_inside = (y > -1) & (y < h) & (x > -1) & (x < w)
    low_y, low_x = y.floor(), x.floor()
    from_y, from_x = y - low_y, x - low_x
    pixels, weights = [], []
    for dy, weight_y in ((0, 1 - from_y), (1, from_y)):
        for dx, weight_x in ((0, 1 - from_x), (1, from_x)):
            pixel_y, pixel_x = low_y + dy, low_x + dx
            exists = (pixel_y >= 0) & (pixel_y < h) & (pixel_x >= 0) & (pixel_x < w) & is_inside
            weights.append(torch.where(exists, weight_y * weight_x, 0))
            pixels.append(pixel_y.long().clamp(0, h - 1) * w + pixel_x.long().clamp(0, w - 1))
    images = torch.arange(len(y), device=y.device).view(-1, *[1] * y.dim())
    return torch.stack(pixels, -1) + images * (h * w), torch.stack(weights, -1)


def convolve_images(tensors: Sequence[Tensor | None], output: Tensor, geometry: Geometry) -> None:
    """Fill ``output``, one image after the other, so that few columns are in memory at a time."""
    for i in range(len(output)):
        output[i] = convolve(*floats_of_image(tensors, i), geometry)[0]


def add_gradients(
    grad_output: Tensor,
    tensors: Sequence[Tensor | None],
    results: Sequence[Tensor | None],
    geometry: Geometry,
) -> None:
    """Add to each of ``results``, or None, the gradient of the tensor in its place."""
    asked = [number for number, result in enumerate(results) if result is not None]
    for i in range(len(grad_output)):
        inputs = floats_of_image(tensors, i)
        leaves = [inputs[number].requires_grad_() for number in asked]
        with torch.enable_grad():
            output = convolve(*inputs, geometry)
        found = torch.autograd.grad(output, leaves, as_floats(grad_output[i : i + 1]))
        for number, gradient in zip(asked, found, strict=True):
            result = results[number]
            (result[i : i + 1] if number < 3 else result).add_(gradient)


def floats_of_image(tensors: Sequence[Tensor | None], i: int) -> list[Tensor | None]:
    """One image of features, offset and mask; weight and bias as they are."""
    features, offset, mask, *parameters = tensors
    images = [features[i : i + 1], offset[i : i + 1], None if mask is None else mask[i : i + 1]]
    return [None if t is None else as_floats(t.detach()) for t in (*images, *parameters)]
