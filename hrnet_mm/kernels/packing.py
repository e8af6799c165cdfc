"""Filters in the order in which the kernels read them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hrnet_mm.kernels.library import load_library


def pack(weight: Tensor, tile: int, dtype: torch.dtype) -> Tensor:
    """Filters as panels of output channels, each a matrix with a row for every word it reads.

    Args:
        weight: (out_channels, in_channels, k, k).
        tile: outputs of a Winograd tile along a side, or 0 for a direct convolution.
        dtype: float32, or bfloat16 of which two are a word of 4 bytes.

    Returns:
        One row of words.
    """
    kernels, is_bf16 = load_library(), dtype == torch.bfloat16
    channels_last = weight.float().permute(0, 2, 3, 1).contiguous()
    out_channels, *taps, in_channels = channels_last.shape
    numbers = in_channels if tile else in_channels * taps[0] * taps[1]
    size = kernels.packed_size(tile, is_bf16, out_channels, numbers)
    packed = torch.zeros(size, dtype=torch.float32, device='cpu')  # whatever the default is
    kernels.pack(
        tile,
        is_bf16,
        out_channels,
        numbers,
        channels_last.data_ptr(),
        packed.data_ptr(),
        torch.get_num_threads(),
    )
    return packed


def fill_up(x: Tensor, lanes: int) -> Tensor:
    """Zeros after the last dimension, up to whole vectors."""
    return F.pad(x, (0, -x.shape[-1] % lanes))
