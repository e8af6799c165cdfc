"""The networks of timm, mmpose, mmseg, mmdet and mmpretrain for given weights, to compare with."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from hrnet_mm.models.archs import Stage, extra_of
from hrnet_mm.weights.contents import Weights
from hrnet_mm.weights.networks import (
    Assembled,
    gives_one_map,
    loaded,
    upsampling_of,
)
from hrnet_mm.weights.width import backbone_of, number_of, stages_of


def library_network(layout: str, weights: Weights) -> nn.Module | None:
    """The network that a layout's library, see ``LIBRARIES``, builds for its weights.

    A detector ends at its neck.

    Args:
        layout: the name of a layout.
        weights: in that layout, without a prefix.

    Returns:
        None where no library builds it, or the one that does is not installed.

    Raises:
        UserError: some of its weights are missing or of another size.
    """
    if layout not in LIBRARIES:
        return None
    library, build = LIBRARIES[layout]
    backbone = backbone_of(weights, '' if library == 'timm' else 'backbone.')
    if library == 'timm' and gives_one_map(backbone):
        return None
    try:
        net = build(weights, stages_of(backbone), backbone['conv1.weight'].shape[1])
    except ModuleNotFoundError:
        return None
    return loaded(net, weights)


def _timm(weights: Weights, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    module = importlib.import_module('timm.models.hrnet')
    cfg: dict[str, Any] = {'stem_width': 64}
    for name, stage in extra_of(stages).items():
        cfg[name] = {**stage, 'block_type': stage.pop('block'), 'fuse_method': 'SUM'}
    if 'classifier.weight' not in weights:
        return module.HighResolutionNet(cfg, in_channels, head='')
    cfg['head_conv_bias'] = 'final_layer.0.bias' in weights
    return module.HighResolutionNet(cfg, in_channels, len(weights['classifier.weight']))


def _mmpose(weights: Weights, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    face = 'head.conv_layers.0.weight' in weights
    heads = importlib.import_module('mmpose.models.heads')
    necks = importlib.import_module('mmpose.models.necks')
    upsample = dict(mode=upsampling_of('face' if face else 'pose'), align_corners=None)
    if face:
        upsample['align_corners'] = False
    backbone = _host_hrnet('mmpose', stages, in_channels, upsample=upsample, multiscale=face)
    channels, size = weights['head.final_layer.weight'].shape[1:3]
    head = heads.HeatmapHead(
        channels if not face else weights['head.conv_layers.0.weight'].shape[1],
        len(weights['head.final_layer.weight']),
        deconv_out_channels=None,
        conv_out_channels=(channels,) if face else None,
        conv_kernel_sizes=(1,) if face else None,
        final_layer=dict(kernel_size=size, padding=size // 2),
    )
    neck = necks.FeatureMapProcessor(concat=True)
    return Assembled(backbone, lambda maps: head(neck(maps) if face else maps), head=head)


def _mmseg(weights: Weights, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    heads = importlib.import_module('mmseg.models.decode_heads')
    fuse = weights['decode_head.convs.0.conv.weight']
    head = heads.FCNHead(
        in_channels=list(stages[-1].channels),
        in_index=tuple(range(len(stages[-1].channels))),
        input_transform='resize_concat',
        channels=len(fuse),
        kernel_size=fuse.shape[-1],
        num_convs=number_of(weights, 'decode_head.convs.{}.conv.weight'),
        concat_input=False,
        num_classes=len(weights['decode_head.conv_seg.weight']),
        norm_cfg=dict(type='BN'),
    )
    return Assembled(_host_hrnet('mmseg', stages, in_channels), head, decode_head=head)


def _mmdet(weights: Weights, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    necks = importlib.import_module('mmdet.models.necks')
    neck = necks.HRFPN(
        list(stages[-1].channels),
        len(weights['neck.reduction_conv.conv.weight']),
        num_outs=number_of(weights, 'neck.fpn_convs.{}.conv.weight'),
    )
    return Assembled(_host_hrnet('mmdet', stages, in_channels), neck, neck=neck)


def _mmpretrain(weights: Weights, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    models = importlib.import_module('mmpretrain.models')
    classes, features = weights['head.fc.weight'].shape
    neck = nn.Sequential(models.HRFuseScales(list(stages[-1].channels), features))
    head = models.LinearClsHead(classes, features)
    backbone = _host_hrnet('mmpretrain', stages, in_channels)
    return Assembled(
        backbone, lambda maps: head([neck(maps)[0].mean((2, 3))]), neck=neck, head=head
    )


def _host_hrnet(
    host: str,
    stages: tuple[Stage, ...],
    in_channels: int,
    upsample: dict[str, Any] | None = None,
    multiscale: bool = True,
) -> nn.Module:
    extra = extra_of(stages)
    if upsample:
        extra['upsample'] = upsample
    extra['stage4']['multiscale_output'] = multiscale
    backbone = importlib.import_module(f'{host}.models.backbones.hrnet').HRNet
    return backbone(extra=extra, in_channels=in_channels)


# By layout, the name of the library and what builds its network.
LIBRARIES = {
    'official-cls': ('timm', _timm),
    'timm-ssld': ('timm', _timm),
    'backbone': ('timm', _timm),
    'mmpose': ('mmpose', _mmpose),
    'mmpose-face': ('mmpose', _mmpose),
    'mmseg': ('mmseg', _mmseg),
    'mmdet': ('mmdet', _mmdet),
    'mmpretrain': ('mmpretrain', _mmpretrain),
}
