"""Models of the hosts, small or of a published variant, with the host's HRNet or with ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mmdet.models  # noqa: F401  (hosts register what the configs below name)
import mmpose.models  # noqa: F401
import mmpretrain.models  # noqa: F401
import mmseg.models  # noqa: F401
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from tests.helpers import extra_of, small_extra
from tests.takeover.upstream import config_folder
from tests.weights.official import stages_of

OURS = 'hrnet_mm.HRNet'


def build(scope: str, cfg: dict[str, Any]) -> nn.Module:
    with DefaultScope.overwrite_default_scope(scope):
        return ROOT.build(cfg).eval()


def backbone(arch: str | int, hrnet: str, **options: Any) -> dict[str, Any]:
    extra = extra_of(arch) if isinstance(arch, str) else small_extra(arch)
    if hrnet == OURS:
        return dict(type=hrnet, extra=extra, **options)
    upsample = options.pop('upsample', None)
    if 'out_indices' in options:
        extra['stage4']['multiscale_output'] = len(options.pop('out_indices')) > 1
    if upsample:
        extra['upsample'] = dict(mode=upsample, align_corners=False)
    return dict(type=hrnet, extra=extra, **options)


def last_channels(arch: str | int) -> tuple[int, ...]:
    return stages_of(arch)[-1].channels


def pose(arch: str | int, hrnet: str = 'HRNet', joints: int = 17, **options: Any) -> nn.Module:
    head = dict(
        type='HeatmapHead',
        in_channels=last_channels(arch)[0],
        out_channels=joints,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
    )
    net = backbone(arch, hrnet, out_indices=(0,), **options)
    return build('mmpose', dict(type='TopdownPoseEstimator', backbone=net, head=head))


def face(arch: str | int, hrnet: str = 'HRNet', points: int = 98) -> nn.Module:
    """mmpose's HRNetV2: its processor concatenates, its head fuses; ours has a neck for both."""
    channels, ours = sum(last_channels(arch)), hrnet == OURS
    fused = dict(conv_out_channels=(channels,), conv_kernel_sizes=(1,))
    head = dict(
        type='HeatmapHead',
        in_channels=channels,
        out_channels=points,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        **({} if ours else fused),
    )
    neck = dict(type='hrnet_mm.HRNetV2', in_channels=last_channels(arch)) if ours else None
    net = backbone(arch, hrnet, out_indices=(0, 1, 2, 3), upsample='bilinear')
    neck = neck or dict(type='FeatureMapProcessor', concat=True)
    return build('mmpose', dict(type='TopdownPoseEstimator', backbone=net, neck=neck, head=head))


def bottom_up(arch: str | int, hrnet: str, head: dict[str, Any]) -> nn.Module:
    """The maps of all streams, concatenated, and a head that reads them."""
    net, neck = backbone(arch, hrnet, out_indices=(0, 1, 2, 3)), dict(type='FeatureMapProcessor')
    head = head | dict(in_channels=sum(last_channels(arch)))
    parts = dict(backbone=net, neck=neck | dict(concat=True), head=head)
    return build('mmpose', dict(type='BottomupPoseEstimator', **parts))


def dekr(arch: str | int, hrnet: str = 'HRNet', joints: int = 17) -> nn.Module:
    width = last_channels(arch)[0]
    head = dict(type='DEKRHead', num_keypoints=joints, num_heatmap_filters=width)
    return bottom_up(arch, hrnet, head)


def cid(arch: str | int, hrnet: str = 'HRNet', joints: int = 17) -> nn.Module:
    return bottom_up(arch, hrnet, dict(type='CIDHead', num_keypoints=joints, gfd_channels=8))


def higher(arch: str | int, hrnet: str = OURS, joints: int = 17) -> nn.Module:
    width, kind = last_channels(arch)[0], 'hrnet_mm.HigherHRNetHead'
    head = dict(type=kind, in_channels=width, num_keypoints=joints)
    net = backbone(arch, hrnet, out_indices=(0,))
    return build('mmpose', dict(type='BottomupPoseEstimator', backbone=net, head=head))


def fcn(arch: str | int, **options: Any) -> dict[str, Any]:
    return (
        dict(
            type='FCNHead',
            in_channels=list(last_channels(arch)),
            in_index=(0, 1, 2, 3),
            input_transform='resize_concat',
            channels=sum(last_channels(arch)),
            kernel_size=1,
            num_convs=1,
            concat_input=False,
            num_classes=19,
            norm_cfg=dict(type='BN'),
        )
        | options
    )


def seg(arch: str | int, hrnet: str = 'HRNet', neck: bool = False, **head: Any) -> nn.Module:
    net = backbone(arch, hrnet, **(dict(upsample='bilinear') if hrnet == OURS else {}))
    cfg = dict(type='EncoderDecoder', backbone=net, decode_head=fcn(arch, **head))
    if neck:
        cfg['neck'] = dict(type='hrnet_mm.HRNetV2', in_channels=last_channels(arch))
        cfg['decode_head'] |= dict(
            in_channels=sum(last_channels(arch)), in_index=0, input_transform=None, num_convs=0
        )
    return build('mmseg', cfg | dict(test_cfg=dict(mode='whole')))


def ocr(arch: str | int, hrnet: str = 'HRNet') -> nn.Module:
    net = backbone(arch, hrnet, **(dict(upsample='bilinear') if hrnet == OURS else {}))
    second = fcn(arch, type='OCRHead', channels=32, ocr_channels=16)
    for name in ('kernel_size', 'num_convs', 'concat_input'):
        del second[name]
    heads = [fcn(arch), second]
    cfg = dict(type='CascadeEncoderDecoder', num_stages=2, backbone=net, decode_head=heads)
    return build('mmseg', cfg | dict(test_cfg=dict(mode='whole')))


def cls(
    arch: str | int, hrnet: str = 'HRNet', classes: int = 10, one_neck: bool = False
) -> nn.Module:
    neck = dict(type='HRFuseScales', in_channels=last_channels(arch))
    if hrnet == OURS:
        neck = dict(type='hrnet_mm.HRNetCls', in_channels=list(last_channels(arch)))
    head = dict(type='LinearClsHead', num_classes=classes, in_channels=2048)
    pooled = neck if one_neck else [neck, dict(type='GlobalAveragePooling')]
    net = backbone(arch, hrnet)
    return build('mmpretrain', dict(type='ImageClassifier', backbone=net, neck=pooled, head=head))


def det(arch: str | int, hrnet: str = 'HRNet', classes: int = 4, width: int = 16) -> nn.Module:
    """Mask R-CNN, of mmdet's own config but for its sizes."""
    cfg = Config.fromfile(config_folder('mmdet') / '_base_/models/mask-rcnn_r50_fpn.py').model
    cfg.backbone = backbone(arch, hrnet, norm_eval=False)
    kind = 'hrnet_mm.HRNetV2p' if hrnet == OURS else 'HRFPN'
    cfg.neck = dict(type=kind, in_channels=list(last_channels(arch)), out_channels=width)
    cfg.rpn_head.update(in_channels=width, feat_channels=width)
    heads = cfg.roi_head
    heads.bbox_roi_extractor.out_channels = heads.mask_roi_extractor.out_channels = width
    heads.bbox_head.update(in_channels=width, fc_out_channels=width, num_classes=classes)
    heads.mask_head.update(in_channels=width, conv_out_channels=width, num_classes=classes)
    return build('mmdet', cfg)


# By the layout that each model has.
MODELS: dict[str, Callable[..., nn.Module]] = {
    'mmpose': pose,
    'mmpose-face': face,
    'mmpose-dekr': dekr,
    'mmpose-cid': cid,
    'mmseg': seg,
    'mmseg-ocr': ocr,
    'mmpretrain': cls,
    'mmpretrain-one-neck': partial(cls, one_neck=True),
    'mmdet': det,
    'hrnet_mm-higherhrnet': higher,
    'hrnet_mm-face': partial(face, hrnet=OURS),
    'hrnet_mm-seg': partial(seg, hrnet=OURS, neck=True),
}


@torch.no_grad()
def filled(net: nn.Module) -> dict[str, Tensor]:
    """A network's state dict with every tensor random, so that no two can be swapped unseen."""
    weights = net.state_dict()
    for key, weight in weights.items():
        if key.endswith('num_batches_tracked'):
            weight.fill_(7)
        else:
            weight.uniform_(0.5, 1.5) if key.endswith('running_var') else weight.uniform_(-0.1, 0.1)
    return weights
