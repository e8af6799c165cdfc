"""Residual blocks, by the hosts' parameter names (``conv1 bn1 conv2 bn2 ... downsample``)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.models.archs import EXPANSION
from hrnet_mm.models.layers import LayerFactory
from hrnet_mm.models.recompute import KEEP_ALL, Recomputation


class ResidualBlock(nn.Module):
    """``relu(residual(x) + shortcut(x))``, at constant resolution.

    The residual is a chain of convolution and norm with ReLU between them; the shortcut is the
    identity, or a 1x1 convolution and norm where the channels change.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        layers: builds the convolutions and norms.
        recomputation: what the backward pass computes again.
    """

    kernel_sizes: tuple[int, ...]
    expansion: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        layers: LayerFactory,
        recomputation: Recomputation = KEEP_ALL,
    ) -> None:
        super().__init__()
        self.recomputation = recomputation
        inner = out_channels // self.expansion
        widths = [in_channels, *[inner] * (len(self.kernel_sizes) - 1), out_channels]
        self.norm_names = [
            layers.add_conv_norm(self, i, widths[i - 1], widths[i], kernel_size)
            for i, kernel_size in enumerate(self.kernel_sizes, start=1)
        ]
        self.downsample = (
            layers.conv_norm(in_channels, out_channels, 1) if in_channels != out_channels else None
        )

    @property
    def last_norm(self) -> nn.Module:
        return getattr(self, self.norm_names[-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        return F.relu(self.recomputation.run('block', self, self._sum, x), inplace=True)

    def _sum(self, x: Tensor) -> Tensor:
        y = x
        for i, norm_name in enumerate(self.norm_names, start=1):
            y = getattr(self, norm_name)(getattr(self, f'conv{i}')(y))
            if i < len(self.norm_names):
                y = F.relu(y, inplace=True)
        y += x if self.downsample is None else self.downsample(x)
        return y


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions."""

    kernel_sizes = (3, 3)
    expansion = EXPANSION['BASIC']


class Bottleneck(ResidualBlock):
    """1x1 to a quarter of the output channels, 3x3, 1x1 back."""

    kernel_sizes = (1, 3, 1)
    expansion = EXPANSION['BOTTLENECK']


BLOCKS = {'BASIC': BasicBlock, 'BOTTLENECK': Bottleneck}


class ResidualChain(nn.Sequential):
    """``num_blocks`` blocks in a row; the first one changes the channels."""

    def __init__(
        self,
        block: str,
        num_blocks: int,
        in_channels: int,
        out_channels: int,
        layers: LayerFactory,
        recomputation: Recomputation = KEEP_ALL,
    ) -> None:
        widths = [in_channels, *[out_channels] * num_blocks]
        super().__init__(
            *(
                BLOCKS[block](widths[i], out_channels, layers, recomputation)
                for i in range(num_blocks)
            )
        )
        self.recomputation = recomputation

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        return self.recomputation.run('branch', self, super().forward, x)
