"""Filters of 8 bits in the order in which the kernels read them (cpp/int8.h)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hrnet_mm.kernels.tiles import Shape, number_of_tiles

LARGEST_FILTER, LARGEST_NUMBER = 127, 255
LANES = 16  # of the vectors of every CPU that has this arithmetic
# A Winograd tile of 4 gives 64 times the sums, in 32 bits.
LARGEST_SUM = 2**25
# Fewer tiles do not repay the transform of the filters, which every call does anew: kept, they
# would be 36 numbers of 16 bits in the place of 9 of 8.
FEWEST_TILES = 12


@dataclass(frozen=True)
class ByteFilters:
    """Filters rounded to the nearest of 255 levels: a filter is ``numbers * steps`` of its channel.

    Attributes:
        numbers: (out_channels, in_channels, k, k) int8.
        steps: (out_channels,) float32.
    """

    numbers: Tensor
    steps: Tensor

    def largest_sum(self) -> int:
        """That the filters of a channel can give, positive or negative."""
        filters = self.numbers.flatten(1).int()
        sums = [filters.clamp(min=0).sum(1), -filters.clamp(max=0).sum(1)]
        return LARGEST_NUMBER * int(torch.stack(sums).max())

    def packed(self, tile: int) -> Tensor:
        """(bytes,) int8: panels of 32 output channels, the last may have 16.

        Each is a matrix with a row for every word that the kernels multiply at once: 4 of a line of
        the filter or, for a tile, 2 input channels of a tap.
        """
        numbers = F.pad(self.numbers, (0,) * 7 + (-len(self.numbers) % LANES,))
        if tile:
            rows = numbers.flatten(2).transpose(1, 2)  # out, taps, in
            words = F.pad(rows, (0, -rows.shape[2] % 2)).unflatten(2, (-1, 2)).transpose(1, 2)
        else:
            lines = numbers.permute(0, 2, 3, 1).flatten(2)  # out, kernel rows, kernel columns * in
            words = F.pad(lines, (0, -lines.shape[2] % 4)).flatten(1).unflatten(1, (-1, 4))
        panels = words.split(2 * LANES)
        return torch.cat([panel.movedim(0, -2).flatten() for panel in panels])


def rounded(weight: Tensor) -> ByteFilters:
    """Filters (out_channels, in_channels, k, k) of any float type in 8 bits."""
    weight = weight.detach().float()
    steps = weight.flatten(1).abs().amax(1) / LARGEST_FILTER
    steps = steps.where(steps > 0, torch.ones_like(steps))
    numbers = (weight / steps.reshape(-1, 1, 1, 1)).round().to(torch.int8)
    return ByteFilters(numbers, steps)


def tile_of_bytes(shape: Shape, largest_sum: int) -> int:
    """The fastest form that is exact: Winograd's tile of 4 or, for a direct convolution, 0.

    Args:
        shape: (N, out_channels, H, W) of the output of a 3x3 convolution of stride 1.
        largest_sum: of its filters.
    """
    return 4 if number_of_tiles(4, shape) >= FEWEST_TILES and largest_sum < LARGEST_SUM else 0


def panels_of_bytes(channels: int) -> int:
    """How many panels that many output channels have."""
    return -(-channels // (2 * LANES))


def tiles_of_item(shape: Shape, threads: int) -> int:
    """The tiles of 4 that a work item takes: each transforms the filters for itself."""
    share = -(-number_of_tiles(4, shape) // threads)
    return -(-share // FEWEST_TILES) * FEWEST_TILES
