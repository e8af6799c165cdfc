"""The necks in their inference form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from hrnet_mm.deploy.fused import higher
from hrnet_mm.deploy.fused.folding import convolution_like, fold, is_plain, own_copy
from hrnet_mm.deploy.fused.layers import (
    FusedConv,
    Pool,
    UpsampleSum,
    check_type,
    computes_like,
    fused_chain,
)
from hrnet_mm.models.higher import HigherResolution
from hrnet_mm.models.hrmodule import Upsample
from hrnet_mm.models.necks import HRNetCls, HRNetV1, HRNetV2, HRNetV2p


class FusedV1(nn.Module):
    """The finest map only."""

    def __init__(self, neck: HRNetV1) -> None:
        super().__init__()

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps of every branch -> ((N, C, H / 4, W / 4),)."""
        return (maps[0],)


class ConcatConv(nn.Module):
    """A 1x1 convolution of all maps at the finest resolution, done before they are upsampled.

    Exact. The 1x1 convolution of a concatenation is the sum of each map's 1x1 convolution with
    its own columns of the filters, and a 1x1 convolution mixes channels of one pixel by weights
    that are the same at every pixel, while upsampling mixes pixels of one channel by weights that
    are the same in every channel and add up to 1: they may be exchanged::

        W cat(x_0, up(x_1), ...) + b = (W_0 x_0 + b) + up(W_1 x_1) + ...

    The convolution then costs C + 2C/4 + 4C/16 + 8C/64 = 1.9 C input channels a pixel instead of
    15 C, and the concatenation is never made.

    Args:
        module: the 1x1 convolution with its norm and activation.
        channels: of each map, finest first.
        align_corners: of the bilinear upsampling.
    """

    def __init__(self, module: ConvModule, channels: Sequence[int], align_corners: bool) -> None:
        super().__init__()
        _check_order(module)
        conv, norm = fold(module.conv, module.norm if module.with_norm else None)
        if norm is not None:
            conv, _ = fold(conv, None)
        bias = torch.zeros_like(conv.bias)
        parts = torch.split(conv.weight, list(channels), dim=1)
        self.convs = nn.ModuleList(
            FusedConv(convolution_like(conv, part, bias if i else conv.bias), None, relu=False)
            for i, part in enumerate(parts)
        )
        rest = [] if norm is None else [own_copy(norm)]
        activation = module.activate if module.with_activation else None
        relu = type(activation) is nn.ReLU and not rest
        if activation is not None and not relu:
            rest.append(own_copy(activation))
        self.sum = UpsampleSum(Upsample('bilinear', align_corners), relu)
        self.rest = nn.Sequential(*rest)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of every branch -> (N, out_channels, H / 4, W / 4)."""
        finest, *coarser = (conv(x) for conv, x in zip(self.convs, maps, strict=True))
        return self.rest(self.sum(finest, [], coarser))


class FusedV2(nn.Module):
    """All maps at the finest resolution, mixed by a 1x1 convolution."""

    def __init__(self, neck: HRNetV2) -> None:
        super().__init__()
        self.mix = ConcatConv(neck.fuse_conv, neck.in_channels, neck.align_corners)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps of every branch -> ((N, out_channels, H / 4, W / 4),)."""
        return (self.mix(maps),)


class FusedV2p(nn.Module):
    """A pyramid from all maps: mixed by a 1x1 convolution, pooled, one 3x3 convolution each."""

    def __init__(self, neck: HRNetV2p) -> None:
        super().__init__()
        self.mix = ConcatConv(neck.reduction_conv, neck.in_channels, align_corners=False)
        if neck.pool not in (F.avg_pool2d, F.max_pool2d):
            raise NotImplementedError(f'a pyramid by {neck.pool} is not known to hrnet_mm.deploy')
        average = neck.pool is F.avg_pool2d
        self.levels = nn.ModuleList(
            nn.Sequential(*([Pool(average, 2**i)] if i else []), fused_conv_module(conv))
            for i, conv in enumerate(neck.fpn_convs)
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps of every branch -> map i (N, out_channels, H / 2**(i + 2), W / 2**(i + 2))."""
        finest = self.mix(maps)
        return tuple(level(finest) for level in self.levels)


class FusedCls(nn.Module):
    """The head for image classification, up to the pooling."""

    def __init__(self, neck: HRNetCls) -> None:
        super().__init__()
        self.widen = nn.ModuleList(fused_chain(blocks) for blocks in neck.increase_layers)
        self.downsample = nn.ModuleList(map(fused_conv_module, neck.downsample_layers))
        self.add = UpsampleSum(None, relu=False)
        self.final = fused_conv_module(neck.final_layer)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps of the four branches -> ((N, out_channels, H / 32, W / 32),)."""
        y, *coarser = (widen(x) for widen, x in zip(self.widen, maps, strict=True))
        for downsample, x in zip(self.downsample, coarser, strict=True):
            y = self.add(downsample(y), [x], [])
        return (self.final(y),)


# The inference form of each neck.
FUSED_NECKS = {
    HRNetV1: FusedV1,
    HRNetV2: FusedV2,
    HRNetV2p: FusedV2p,
    HRNetCls: FusedCls,
    HigherResolution: higher.FusedHigher,
}
# Where a neck mixes all maps by a 1x1 convolution.
MIXING_LAYERS = {HRNetV2: 'fuse_conv', HRNetV2p: 'reduction_conv'}


def can_be_fused(neck: nn.Module | None) -> bool:
    """Whether a neck is one of ``hrnet_mm.models``, in a form that can be fused."""
    if isinstance(neck, HigherResolution):
        return higher.is_known(neck)
    for kind in FUSED_NECKS:
        if computes_like(neck, kind):
            conv = getattr(neck, MIXING_LAYERS[kind]).conv if kind in MIXING_LAYERS else None
            return conv is None or (is_plain(conv) and conv.groups == 1)
    return False


def fused_neck(neck: nn.Module) -> nn.Module:
    """The inference form of a neck in eval mode, which is not changed."""
    for kind, fused in FUSED_NECKS.items():
        if isinstance(neck, kind):
            return fused(neck)
    raise NotImplementedError(f'{type(neck).__name__} is not known to hrnet_mm.deploy')


def fused_conv_module(module: ConvModule) -> FusedConv:
    """A convolution with norm and ReLU, as mmcv writes it."""
    _check_order(module)
    if module.with_activation:
        check_type(module.activate, nn.ReLU)
    norm = module.norm if module.with_norm else None
    return FusedConv(module.conv, norm, relu=module.with_activation)


def _check_order(module: ConvModule) -> None:
    """Make sure that norm and activation follow the convolution, and no padding goes before it."""
    check_type(module, ConvModule)
    if module.order != ('conv', 'norm', 'act') or module.with_explicit_padding:
        raise NotImplementedError(f'a ConvModule of {module.order} is not known to hrnet_mm.deploy')
