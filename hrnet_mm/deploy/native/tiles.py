"""Which form of a 3x3 convolution is fastest: direct, or Winograd with tiles of 2 or 4 outputs."""

from __future__ import annotations

# Multiplications a core does in the time it reads one byte of filters from memory. Larger tiles
# save multiplications and read more: 36 numbers for every filter of 9.
MULTIPLICATIONS_PER_BYTE = 5


def best_tile(shape: tuple[int, int, int, int], in_channels: int) -> int:
    """The tile with the least work, 0 for the direct convolution.

    Args:
        shape: (N, out_channels, H, W) of the output.
        in_channels: of the input.
    """
    return min((0, 2, 4), key=lambda tile: work(tile, shape, in_channels))


def work(tile: int, shape: tuple[int, int, int, int], in_channels: int) -> float:
    """Time in multiplications: those of the product, or those lost waiting for the filters."""
    n, out_channels, h, w = shape
    positions = (tile + 2) ** 2 if tile else 9
    rows = n * -(-h // tile) * -(-w // tile) if tile else n * h * w
    filters = positions * in_channels * out_channels
    transforms = 3 * rows * positions * (in_channels + out_channels) if tile else 0
    return max(rows * filters, 4 * filters * MULTIPLICATIONS_PER_BYTE) + transforms
