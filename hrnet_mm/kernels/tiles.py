"""Which form of a 3x3 convolution is fastest: direct, or Winograd's with tiles of outputs.

A tile of 2 computes 2x2 outputs with 16 products instead of 36, a tile of 4 computes 4x4 outputs
with 36 instead of 144 (Lavin and Gray, arXiv 1509.09308). Tile 0 is the direct convolution.
"""

from __future__ import annotations

from typing import NamedTuple

# Multiplications that a core does while it reads one byte of filters from memory. Larger tiles save
# multiplications and read more: 36 numbers for every filter of 9.
MULTIPLICATIONS_PER_BYTE = 5
# Training packs the new filters in every step, which takes as long as this many tiles.
TILES_OF_PACKING = 16
# With fewer channels than these, the transforms outweigh what factors of bfloat16 save.
BF16_CHANNELS = 128

Shape = tuple[int, int, int, int]


def best_tile(shape: Shape, in_channels: int) -> int:
    """The tile with the least work in inference, 0, 2 or 4.

    Args:
        shape: (N, out_channels, H, W) of the output.
        in_channels: of the input.
    """
    return min((0, 2, 4), key=lambda tile: work(tile, shape, in_channels))


def work(tile: int, shape: Shape, in_channels: int) -> float:
    """The time of a form, counted in multiplications.

    The product takes its multiplications, or those that are lost while it waits for the filters;
    the transforms of the tiles come on top.
    """
    n, out_channels, h, w = shape
    positions = (tile + 2) ** 2 if tile else 9
    rows = number_of_tiles(tile, shape) if tile else n * h * w
    filters = positions * in_channels * out_channels
    transforms = 3 * rows * positions * (in_channels + out_channels) if tile else 0
    return max(rows * filters, 4 * filters * MULTIPLICATIONS_PER_BYTE) + transforms


def number_of_tiles(tile: int, shape: Shape) -> int:
    n, _, h, w = shape
    return n * -(-h // tile) * -(-w // tile)


class Form(NamedTuple):
    """How a product of training is computed: its tile, and whether its factors are bfloat16."""

    tile: int
    is_bf16: bool


def map_form(kernel: int, shape: Shape, in_channels: int, may_round: bool) -> Form:
    """The form of the forward pass and of its gradient to the input.

    Factors of bfloat16 are for tiles of 2 only, with which the rounding errors are 0.35 % of the
    result, about as with PyTorch's own autocast (0.3 %); tiles of 4 enlarge them to 1 %.

    Args:
        kernel: 1 or 3.
        shape: (N, out_channels, H, W) of the output.
        in_channels: of the input.
        may_round: whether factors may be bfloat16, as they may where the maps are.
    """
    if kernel == 1:
        return Form(0, False)
    tile = training_tile(shape)
    if may_round and (tile == 2 or min(in_channels, shape[1]) >= BF16_CHANNELS):
        return Form(2, True)
    return Form(tile, False)


def weight_form(kernel: int, shape: Shape, may_round: bool) -> Form:
    """The form of the gradient of the filters; its rounding errors go no further.

    The arguments are those of :func:`map_form`.
    """
    return Form(0, False) if kernel == 1 else Form(training_tile(shape), may_round)


def training_tile(shape: Shape) -> int:
    """The tile with the fewest multiplications in training, the packing of filters included."""
    return min(
        (2, 4), key=lambda tile: (tile + 2) ** 2 * (number_of_tiles(tile, shape) + TILES_OF_PACKING)
    )
