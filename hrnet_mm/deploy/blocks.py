"""Residual blocks and chains of convolutions in their inference form."""

from __future__ import annotations

from torch import Tensor, nn

from hrnet_mm.deploy.layers import FusedConv
from hrnet_mm.deploy.merging import Fan
from hrnet_mm.models.blocks import ResidualBlock


class FusedBlock(nn.Module):
    """``relu(residual(x) + shortcut(x))``; the last convolution adds the shortcut."""

    def __init__(self, block: ResidualBlock, merge: bool) -> None:
        super().__init__()
        norms = [getattr(block, name) for name in block.norm_names]
        first, *others = (
            FusedConv(getattr(block, f'conv{i}'), norm, relu=True)
            for i, norm in enumerate(norms, start=1)
        )
        self.others = nn.ModuleList(others)
        starts = {0: [first]}
        if block.downsample is not None:
            starts[1] = convolutions_of(block.downsample)
        self.starts = Fan(starts, merge)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        ends = self.starts(x)
        y, shortcut = ends[0], ends.get(1, x)
        *inner, last = self.others
        for conv in inner:
            y = conv(y)
        return last(y, shortcut)


def fused_chain(blocks: nn.Sequential, merge: bool) -> nn.Sequential:
    """Residual blocks in a row."""
    return nn.Sequential(*(FusedBlock(block, merge) for block in blocks))


def convolutions_of(path: nn.Sequential) -> list[FusedConv]:
    """The convolutions of a path that ``LayerFactory`` built: one, or a chain of strided ones."""
    steps = path if isinstance(path[0], nn.Sequential) else [path]
    return [FusedConv(step[0], step[1], relu=len(step) == 3) for step in steps]
