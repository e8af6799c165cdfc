"""Which form of a 3x3 convolution is fastest: direct, or Winograd with tiles of 2 or 4 outputs."""

from __future__ import annotations

from typing import NamedTuple

# Multiplications a core does in the time it reads one byte of filters from memory. Larger tiles
# save multiplications and read more: 36 numbers for every filter of 9.
MULTIPLICATIONS_PER_BYTE = 5
# In training the filters are new in every step: packing them takes as long as that many tiles.
TILES_OF_PACKING = 16
# With fewer channels the transforms outweigh what factors of bfloat16 save.
BF16_CHANNELS = 128

Shape = tuple[int, int, int, int]


def best_tile(shape: Shape, in_channels: int) -> int:
    """The tile with the least work, 0 for the direct convolution.

    Args:
        shape: (N, out_channels, H, W) of the output.
        in_channels: of the input.
    """
    return min((0, 2, 4), key=lambda tile: work(tile, shape, in_channels))


def work(tile: int, shape: Shape, in_channels: int) -> float:
    """Time in multiplications: those of the product, or those lost waiting for the filters."""
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
        may_round: whether factors of bfloat16 are allowed, as where maps are; not for kernel 1.
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
    """The tile with the fewest multiplications, filters to be packed included."""
    return min(
        (2, 4), key=lambda tile: (tile + 2) ** 2 * (number_of_tiles(tile, shape) + TILES_OF_PACKING)
    )
