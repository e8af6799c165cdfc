"""The operations a fused network is made of, in PyTorch, and the blocks built of them.

Every engine has its own form of ``FusedConv``, ``UpsampleSum`` and ``Pool``, see ``translator``.
A part of a network is fused only if its type is known: a subclass may compute something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType

import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.deploy.fused.folding import fold, is_plain, own_copy
from hrnet_mm.kernels.training import NativeBasicBlock, NativeBottleneck
from hrnet_mm.models.blocks import BasicBlock, Bottleneck, ResidualBlock, ResidualChain
from hrnet_mm.models.hrmodule import Upsample

BLOCKS = (BasicBlock, Bottleneck, NativeBasicBlock, NativeBottleneck)
# Methods that do not decide what a network in eval mode computes.
NOT_COMPUTING = {'__init__', 'init_weights', 'train', '_freeze'}


def check_type(part: object, *known: type) -> None:
    """Make sure that a part of a network is exactly of one of these types.

    Raises:
        NotImplementedError: it is of another type, such as a subclass.
    """
    if type(part) not in known:
        raise NotImplementedError(f'{type(part).__name__} is not known to hrnet_mm.deploy')


def computes_like(module: nn.Module | None, kind: type[nn.Module]) -> bool:
    """Whether a module is of a kind and overrides no method that decides what it computes."""
    return isinstance(module, kind) and all(
        getattr(module, name, None) == method.__get__(module)
        for name, method in vars(kind).items()
        if isinstance(method, FunctionType) and name not in NOT_COMPUTING
    )


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
        folded, self.norm = fold(conv, norm)
        self.conv = own_copy(conv) if folded is conv else folded
        if self.norm is not None:
            self.norm = own_copy(norm)
        self.relu = relu

    @property
    def is_plain(self) -> bool:
        """Whether the convolution is one Conv2d and nothing else follows it before the sum."""
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
