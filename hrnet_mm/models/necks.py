"""Necks: HRNetV1, V2 and V2p of the paper, and its head for image classification.

Each takes the backbone's maps (N, C_i, H / 2**(i + 2), W / 2**(i + 2)), finest first, and returns
a tuple, as the heads of mmpose, mmseg, mmdet and mmpretrain expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from hrnet_mm.models.archs import is_positive_int
from hrnet_mm.models.blocks import ResidualChain
from hrnet_mm.models.layers import LayerFactory
from hrnet_mm.models.recompute import recomputed_in_backward
from hrnet_mm.registry import MODELS

CLS_CHANNELS = (128, 256, 512, 1024)


@MODELS.register_module()
class HRNetV1(BaseModule):
    """The finest map only (pose): mmpose's heads read the last map of a tuple, so it is alone."""

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps of every branch -> ((N, C, H / 4, W / 4),)."""
        return (inputs[0],)


@MODELS.register_module()
class HRNetV2(BaseModule):
    """All maps at the finest resolution, mixed by a 1x1 convolution (segmentation, landmarks).

    The same mathematics as mmseg's FCNHead with ``input_transform='resize_concat'``, whose first
    convolution it replaces (arXiv 1904.04514, section 3.2).

    Args:
        in_channels: channels of each input map.
        out_channels: Default: the sum of ``in_channels``, 15C.
        align_corners: of the bilinear upsampling.
        conv_cfg, norm_cfg, act_cfg: of the 1x1 convolution, by mmcv's registry.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int | None = None,
        align_corners: bool = False,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        act_cfg: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = _check_channels(in_channels)
        self.out_channels = sum(in_channels) if out_channels is None else out_channels
        self.align_corners = align_corners
        self.fuse_conv = ConvModule(
            sum(in_channels),
            self.out_channels,
            kernel_size=1,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg or dict(type='BN'),
            act_cfg=act_cfg or dict(type='ReLU'),
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps of every branch -> ((N, out_channels, H / 4, W / 4),)."""
        _check_maps(inputs, self.in_channels)
        return (self.fuse_conv(concat_at_finest(inputs, self.align_corners)),)


@MODELS.register_module()
class HRNetV2p(BaseModule):
    """A pyramid from all maps (detection): concat, 1x1 reduction, pooling, 3x3 convolutions.

    Names and numbers are those of mmdet's HRFPN; unlike it, ``norm_cfg`` is honoured and maps of
    any size are taken.

    Args:
        in_channels: channels of each input map.
        out_channels: channels of every output map.
        num_outs: number of output maps.
        pooling_type: ``'AVG'`` or ``'MAX'``.
        stride: of the 3x3 convolutions.
        conv_cfg, norm_cfg: of all convolutions, by mmcv's registry. Default: no norm.
        with_cp: recompute the convolutions' activations in the backward pass.
        init_cfg: Default: Xavier, as HRFPN.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int = 5,
        pooling_type: str = 'AVG',
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        with_cp: bool = False,
        stride: int = 1,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Caffe2Xavier', layer='Conv2d'))
        self.in_channels = _check_channels(in_channels)
        pooling = dict(AVG=F.avg_pool2d, MAX=F.max_pool2d)
        if pooling_type not in pooling:
            raise ValueError(f"pooling_type={pooling_type!r} must be 'AVG' or 'MAX'")
        if not is_positive_int(num_outs):
            raise ValueError(f'num_outs={num_outs!r} must be a positive integer')
        self.pool = pooling[pooling_type]
        self.out_channels = out_channels
        self.with_cp = with_cp
        cfg = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=None)
        self.reduction_conv = ConvModule(sum(in_channels), out_channels, 1, **cfg)
        self.fpn_convs = nn.ModuleList(
            ConvModule(out_channels, out_channels, 3, stride=stride, padding=1, **cfg)
            for _ in range(num_outs)
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps of every branch -> map i (N, out_channels, H / 2**(i + 2), W / 2**(i + 2))."""
        _check_maps(inputs, self.in_channels)
        finest = self._run(self.reduction_conv, concat_at_finest(inputs))
        return tuple(
            self._run(conv, self._pool(finest, 2**i)) for i, conv in enumerate(self.fpn_convs)
        )

    def _pool(self, x: Tensor, factor: int) -> Tensor:
        if factor == 1:
            return x
        # A window larger than the map is cut to it, so that a small image still fills the pyramid.
        height, width = x.shape[2:]
        window = (min(factor, height), min(factor, width))
        return self.pool(x, kernel_size=window, stride=factor)

    def _run(self, conv: nn.Module, x: Tensor) -> Tensor:
        if self.with_cp and torch.is_grad_enabled():
            return recomputed_in_backward(conv, conv, x)
        return conv(x)


@MODELS.register_module()
class HRNetCls(BaseModule):
    """The paper's head for image classification, up to the pooling.

    A bottleneck widens each map to 128, 256, 512, 1024 channels; strided 3x3 convolutions add
    them up from fine to coarse; a 1x1 convolution ends at ``out_channels``. Names and numbers are
    those of mmpretrain's HRFuseScales (arXiv 1908.07919, appendix).

    Args:
        in_channels: channels of each of the four input maps.
        out_channels: channels of the output map.
        conv_cfg, norm_cfg: of all convolutions, by mmcv's registry. Default: BN.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 2048,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = _check_channels(in_channels)
        if len(in_channels) != len(CLS_CHANNELS):
            raise ValueError(
                f'in_channels={in_channels!r} must hold the channels of {len(CLS_CHANNELS)} maps'
            )
        norm_cfg = norm_cfg or dict(type='BN')
        layers = LayerFactory(conv_cfg, norm_cfg)
        cfg = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.increase_layers = nn.ModuleList(
            ResidualChain('BOTTLENECK', 1, narrow, wide, layers)
            for narrow, wide in zip(in_channels, CLS_CHANNELS, strict=True)
        )
        self.downsample_layers = nn.ModuleList(
            ConvModule(fine, coarse, 3, stride=2, padding=1, **cfg)
            for fine, coarse in zip(CLS_CHANNELS[:-1], CLS_CHANNELS[1:], strict=True)
        )
        self.final_layer = ConvModule(CLS_CHANNELS[-1], out_channels, 1, **cfg)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        """Maps of the four branches -> ((N, out_channels, H / 32, W / 32),)."""
        _check_maps(inputs, self.in_channels)
        finest, *coarser = (widen(x) for widen, x in zip(self.increase_layers, inputs, strict=True))
        y = finest
        for downsample, x in zip(self.downsample_layers, coarser, strict=True):
            y = downsample(y) + x
        return (self.final_layer(y),)


def concat_at_finest(maps: Sequence[Tensor], align_corners: bool = False) -> Tensor:
    """Bilinearly upsample every map to the first one's size: (N, sum of C_i, H / 4, W / 4)."""
    finest, *coarser = maps
    size = finest.shape[2:]
    upsampled = (
        F.interpolate(x, size=size, mode='bilinear', align_corners=align_corners) for x in coarser
    )
    return torch.cat((finest, *upsampled), dim=1)


def _check_channels(in_channels: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(in_channels, list | tuple) or not all(map(is_positive_int, in_channels)):
        raise ValueError(
            f'in_channels={in_channels!r} must list the channels of each map, such as '
            '[32, 64, 128, 256]'
        )
    return tuple(in_channels)


def _check_maps(inputs: Sequence[Tensor], in_channels: tuple[int, ...]) -> None:
    channels = tuple(x.shape[1] for x in inputs)
    if channels != in_channels:
        raise ValueError(
            f'the neck was built for maps of {in_channels} channels and got {channels}: '
            "set the neck's in_channels to the backbone's out_channels"
        )
