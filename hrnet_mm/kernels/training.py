"""Training on a CPU by the kernels: the layers of a model change their class, and nothing else."""

from __future__ import annotations

from torch import Tensor, nn

from hrnet_mm.kernels.batch_norm import NativeBatchNorm2d
from hrnet_mm.kernels.convolution import NativeConv2d
from hrnet_mm.kernels.recompute import NormRecomputation
from hrnet_mm.models import HRNet
from hrnet_mm.models.blocks import BasicBlock, Bottleneck, ResidualBlock, ResidualChain
from hrnet_mm.models.hrmodule import HRModule


class NativeBlock(ResidualBlock):
    """A residual block whose norms compute the ReLU and the sum, too."""

    @classmethod
    def replaces(cls, block: nn.Module) -> bool:
        """Whether a module is such a block, and its norms are native by now."""
        return type(block) is cls.__bases__[1] and all(
            isinstance(getattr(block, name), NativeBatchNorm2d) for name in block.norm_names
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        return self.recomputation.run('block', self, self._output, x)

    def _output(self, x: Tensor) -> Tensor:
        y = x
        for i, norm_name in enumerate(self.norm_names[:-1], start=1):
            y = getattr(self, norm_name)(getattr(self, f'conv{i}')(y), relu=True)
        y = getattr(self, f'conv{len(self.norm_names)}')(y)
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.last_norm(y, shortcut, relu=True)


class NativeBasicBlock(NativeBlock, BasicBlock):
    """Two 3x3 convolutions."""


class NativeBottleneck(NativeBlock, Bottleneck):
    """1x1 to a quarter of the output channels, 3x3, 1x1 back."""


# Blocks last: they ask for native norms.
NATIVE = (NativeConv2d, NativeBatchNorm2d, NativeBasicBlock, NativeBottleneck)


def use_native_training(model: nn.Module) -> int:
    """Let a model's convolutions, batch norms and blocks be trained by the kernels, in place.

    Parameters, buffers and their names stay as they are, and so do checkpoints. The kernels take
    channels-last maps (``hrnet_mm.training.hooks.channels_last.use_channels_last``); PyTorch
    computes what they do not take.

    Returns:
        The number of convolutions that have changed.

    Raises:
        RuntimeError: the kernels cannot be compiled.
    """
    changed = 0
    for native in NATIVE:
        for module in model.modules():
            if native.replaces(module):
                module.__class__ = native
                changed += native is NativeConv2d
    _recompute_norms(model)
    return changed


def _recompute_norms(model: nn.Module) -> None:
    """Let the kernels do ``with_cp='norm'`` of an HRNet, if they train all of its blocks."""
    for net in model.modules():
        if not isinstance(net, HRNet):
            continue
        regions = [m for m in net.modules() if isinstance(m, HRModule | ResidualChain)]
        blocks = [m for m in net.modules() if isinstance(m, ResidualBlock)]
        if all(isinstance(block, NativeBlock) for block in blocks):
            for region in (*regions, *blocks):
                if region.recomputation.keeps_convolutions:
                    region.recomputation = NormRecomputation(**vars(region.recomputation))
