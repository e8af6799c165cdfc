"""HRModule: parallel branches, then the exchange unit. The heart of HRNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.base.torch_versions import is_compiling
from hrnet_mm.models.archs import Stage
from hrnet_mm.models.blocks import ResidualChain
from hrnet_mm.models.layers import LayerFactory
from hrnet_mm.models.recompute import KEEP_ALL, Recomputation


@dataclass(frozen=True)
class Upsample:
    """Resizes a map to a given (H, W), so that maps of odd sizes meet too.

    Attributes:
        mode: ``'nearest'`` or ``'bilinear'``.
        align_corners: of bilinear; None for nearest.
        by_powers_of_two: go by a power of two first, and resize the result where that is too
            large: 5 rows become 10 and then the 9 of the finer map. In one step, without it, they
            become 9 at once, which is another map.
    """

    mode: str = 'nearest'
    align_corners: bool | None = None
    by_powers_of_two: bool = False

    def __call__(self, x: Tensor, size: Sequence[int], doublings: int) -> Tensor:
        """(N, C, h, w) -> (N, C, *size), a map that was halved ``doublings`` times less."""
        if self.by_powers_of_two:
            doubled = [n * 2**doublings for n in x.shape[2:]]
            # Where sizes are free, a compiler cannot ask whether they fit; then it changes nothing.
            if is_compiling() or doubled != list(size):
                x = self._resize(x, doubled)
        return self._resize(x, size)

    def _resize(self, x: Tensor, size: Sequence[int]) -> Tensor:
        return F.interpolate(x, size=size, mode=self.mode, align_corners=self.align_corners)


class ExchangeUnit(nn.ModuleDict):
    """Exchanges information across resolutions (arXiv 1908.07919, section 3.3)::

        out_s = relu(sum_r f_rs(x_r))

    where f_rs is the identity for r = s, a chain of strided 3x3 convolutions for r < s, and a
    1x1 convolution with upsampling for r > s. ``self[s][r]`` holds the layers of f_rs.

    Args:
        channels: channels of each branch, finest first.
        outputs: the branches s to compute.
        layers: builds the convolutions and norms.
        upsample: how a coarse map is brought to a finer resolution.
    """

    def __init__(
        self,
        channels: Sequence[int],
        outputs: Sequence[int],
        layers: LayerFactory,
        upsample: Upsample,
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.outputs = tuple(outputs)
        for s in self.outputs:
            self[str(s)] = nn.ModuleDict()
            for r in range(len(channels)):
                if r < s:
                    path = layers.downsample_chain(
                        channels[r], channels[s], num_steps=s - r, relu_at_end=False
                    )
                elif r > s:
                    path = layers.conv_norm(channels[r], channels[s], 1)
                else:
                    continue
                self[str(s)][str(r)] = path

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """One map per branch -> one map per output branch, shapes unchanged."""
        return [self._fuse(x, s) for s in self.outputs]

    def _fuse(self, x: list[Tensor], s: int) -> Tensor:
        y = self._path(x, 0, s)
        for r in range(1, len(x)):
            z = self._path(x, r, s)
            y = y + z if y is x[0] else y.add_(z)  # x_0 itself must not be written to
        return F.relu(y, inplace=True)

    def _path(self, x: list[Tensor], r: int, s: int) -> Tensor:
        if r == s:
            return x[r]
        y = self[str(s)][str(r)](x[r])
        return self.upsample(y, x[s].shape[2:], r - s) if r > s else y


class HRModule(nn.Module):
    """Parallel residual branches followed by an exchange unit.

    Args:
        stage: block type, depth and channels of the branches, which the module keeps.
        layers: builds the convolutions and norms.
        upsample: used by the exchange unit.
        outputs: the branches to compute; None, without exchange, leaves every branch by itself.
        recomputation: what the backward pass computes again.
    """

    def __init__(
        self,
        stage: Stage,
        layers: LayerFactory,
        upsample: Upsample,
        outputs: Sequence[int] | None,
        recomputation: Recomputation = KEEP_ALL,
    ) -> None:
        super().__init__()
        self.recomputation = recomputation
        self.branches = nn.ModuleList(
            ResidualChain(stage.block, num_blocks, channels, channels, layers, recomputation)
            for num_blocks, channels in zip(stage.num_blocks, stage.channels, strict=True)
        )
        exchanges = outputs is not None and stage.num_branches > 1
        self.fuse_layers = (
            ExchangeUnit(stage.channels, outputs, layers, upsample) if exchanges else None
        )

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """Maps (N, C_i, H / 2**i, W / 2**i) -> the same of every output branch."""
        return self.recomputation.run('module', self, self._forward, x)

    def _forward(self, x: list[Tensor]) -> list[Tensor]:
        x = [branch(x_i) for branch, x_i in zip(self.branches, x, strict=True)]
        return x if self.fuse_layers is None else self.fuse_layers(x)
