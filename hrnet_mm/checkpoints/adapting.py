"""Weights for a model that is not quite the one they were trained in."""

from __future__ import annotations

import torch
from torch import Tensor


def adapt_input(weight: Tensor, in_channels: int) -> Tensor:
    """A first convolution for another number of image channels.

    For grey images the channels are summed, so that a grey image gives what it gave as a colour
    image of three equal channels. For more they are repeated and scaled, so that the output keeps
    its size.

    Args:
        weight: (out_channels, m, kH, kW).
        in_channels: n.

    Returns:
        (out_channels, n, kH, kW).
    """
    there = weight.shape[1]
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    tiled = weight[:, torch.arange(in_channels) % there]
    return tiled * (there / in_channels)
