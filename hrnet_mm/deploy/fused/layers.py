"""The operations a fused network is made of; every backend has its own form of each.

A backend sees a network as a graph of these (``hrnet_mm.deploy.engines``). Here they are PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.deploy.fused.folding import fold, is_plain
from hrnet_mm.models.hrmodule import Upsample


class FusedConv(nn.Module):
    """``relu(norm(conv(x)) + add)`` in one pass: the norm folded, sum and ReLU in place.

    Exact: see :func:`hrnet_mm.deploy.fused.folding.fold`; sum and ReLU are those of the network.

    Args:
        conv: a convolution; not changed.
        norm: the norm after it, or None.
        relu: whether a ReLU ends it.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module | None, relu: bool) -> None:
        super().__init__()
        self.conv, self.norm = fold(conv, norm)
        self.relu = relu

    @property
    def is_plain(self) -> bool:
        """Whether it is one Conv2d and nothing else before the sum."""
        return is_plain(self.conv) and self.norm is None

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) and, of the output's shape, ``add`` -> (N, out_channels, ...)."""
        y = self.conv(x)
        if self.norm is not None:
            y = self.norm(y)
        if add is not None:
            y += add
        return F.relu(y, inplace=True) if self.relu else y


class UpsampleSum(nn.Module):
    """``relu(base + sum of same + sum of upsampled coarser)``: the end of an exchange unit.

    Args:
        upsample: brings a coarser map to the size of ``base``; None where there is none.
        relu: whether a ReLU ends it.
    """

    def __init__(self, upsample: Upsample | None, relu: bool) -> None:
        super().__init__()
        self.upsample = upsample
        self.relu = relu

    def forward(self, base: Tensor, same: Sequence[Tensor], coarser: Sequence[Tensor]) -> Tensor:
        """Maps of one channel count -> their sum, which takes the memory of ``base``.

        Args:
            base: (N, C, H, W). It is overwritten: nobody may read it afterwards.
            same: maps of the same size.
            coarser: maps (N, C, h, w), the first halved once more, the next twice, and so on.
        """
        for x in same:
            base += x
        for doublings, x in enumerate(coarser, start=1):
            base += self.upsample(x, base.shape[2:], doublings)
        return F.relu(base, inplace=True) if self.relu else base


class Pool(nn.Module):
    """Pooling by windows of ``factor`` pixels side by side, cut to maps that are smaller.

    Args:
        average: the mean of each window, or its maximum.
        factor: height and width of a window.
    """

    def __init__(self, average: bool, factor: int) -> None:
        super().__init__()
        self.average = average
        self.factor = factor

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a window on a map of that size."""
        return min(self.factor, height), min(self.factor, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / factor, W / factor), rounded down, at least 1."""
        pool = F.avg_pool2d if self.average else F.max_pool2d
        return pool(x, self.window(*x.shape[2:]), stride=self.factor)
