"""Residual blocks and chains of convolutions in their inference form."""

from __future__ import annotations

from torch import Tensor, nn

from hrnet_mm.deploy.fused.known import check_type
from hrnet_mm.deploy.fused.layers import FusedConv
from hrnet_mm.kernels.training import NativeBasicBlock, NativeBottleneck
from hrnet_mm.models.blocks import BasicBlock, Bottleneck, ResidualBlock, ResidualChain

BLOCKS = (BasicBlock, Bottleneck, NativeBasicBlock, NativeBottleneck)


class FusedBlock(nn.Module):
    """``relu(residual(x) + shortcut(x))``; the last convolution adds the shortcut."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        check_type(block, *BLOCKS)
        norms = [getattr(block, name) for name in block.norm_names]
        *inner, self.last = (
            FusedConv(getattr(block, f'conv{i}'), norm, relu=True)
            for i, norm in enumerate(norms, start=1)
        )
        self.inner = nn.Sequential(*inner)
        self.shortcut = nn.Identity()
        if block.downsample is not None:
            self.shortcut = fused_path(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        return self.last(self.inner(x), self.shortcut(x))


def fused_chain(blocks: ResidualChain) -> nn.Sequential:
    """Residual blocks in a row."""
    check_type(blocks, ResidualChain)
    return nn.Sequential(*(FusedBlock(block) for block in blocks))


def fused_path(path: nn.Sequential) -> nn.Sequential:
    """The convolutions of a path that ``LayerFactory`` built: one, or a chain of strided ones."""
    steps = path if isinstance(path[0], nn.Sequential) else [path]
    return nn.Sequential(*map(_fused_step, steps))


def _fused_step(step: nn.Sequential) -> FusedConv:
    conv, norm, *relu = step
    for activation in relu:
        check_type(activation, nn.ReLU)
    return FusedConv(conv, norm, relu=bool(relu))
