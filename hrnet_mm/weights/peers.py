"""Networks for given weights, to compare what they compute: ours, and those of timm and the hosts.

Each is built from the shapes of the weights, whole, and ready to run; a detector ends at its neck.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.models.archs import Stage, extra_of
from hrnet_mm.models.higher import HigherResolution
from hrnet_mm.models.hrnet import HRNet
from hrnet_mm.models.necks import HRNetCls, HRNetV2, HRNetV2p
from hrnet_mm.weights.recognise import COUNTER, StateDict, backbone_of, count_numbered, stages_of
from hrnet_mm.weights.rules import ONE_MAP

# The layout that our network of a task has its weights in.
OUR_LAYOUTS = {
    'pose': 'mmpose',
    'pose-higher': 'hrnet_mm-higherhrnet',
    'face': 'hrnet_mm-face',
    'seg': 'hrnet_mm-seg',
    'cls': 'mmpretrain-one-neck',
    'det': 'mmdet',
    'backbone': 'backbone',
}


class Assembled(nn.Module):
    """A backbone and what follows it, under the names that their weights have.

    Args:
        backbone: image (N, C, H, W) -> maps.
        follow: maps -> what the network gives; it calls the parts.
        parts: the other modules, by name.
    """

    def __init__(
        self, backbone: nn.Module, follow: Callable[[Any], Any], **parts: nn.Module
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.following = [follow]  # in a list, lest a module be registered under this name too
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(N, C, H, W) -> one tensor or several."""
        return self.following[0](self.backbone(image))


def our_network(task: str, weights: StateDict) -> nn.Module:
    """Our network of a task, with weights in the layout that ``OUR_LAYOUTS`` names.

    Raises:
        UserError: some of its weights are missing or of another size.
    """
    prefix = '' if task == 'backbone' else 'backbone.'
    backbone_weights = backbone_of(weights, prefix)
    stages = stages_of(backbone_weights)
    backbone = HRNet(
        extra=extra_of(stages),
        in_channels=backbone_weights['conv1.weight'].shape[1],
        upsample=_upsampling_of(task),
        out_indices=(0,) if task in ONE_MAP or _gives_one_map(backbone_weights) else None,
    )
    if task == 'backbone':
        return _loaded(backbone, weights)
    return _loaded(_OURS[task](backbone, weights, stages[-1].channels), weights)


def library_network(layout: str, weights: StateDict) -> nn.Module | None:
    """The network that a layout's library, see ``LIBRARIES``, builds for its weights.

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
    if library == 'timm' and _gives_one_map(backbone):
        return None
    try:
        net = build(weights, stages_of(backbone), backbone['conv1.weight'].shape[1])
    except ModuleNotFoundError:
        return None
    return _loaded(net, weights)


def host_hrnet(
    host: str,
    stages: tuple[Stage, ...],
    upsample: str = 'nearest',
    one_map: bool = False,
    **options: Any,
) -> nn.Module:
    """The HRNet of a host, ``'mmpose'`` or another.

    Args:
        host: the name of the library.
        stages: as :func:`hrnet_mm.models.archs.stages_from_arch` gives them.
        upsample: 'nearest' or 'bilinear'; only mmpose's copy can choose.
        one_map: whether the network gives its finest map alone.
        options: of its constructor, such as ``in_channels`` and ``with_cp``.
    """
    extra = extra_of(stages)
    if host == 'mmpose':
        corners = False if upsample == 'bilinear' else None
        extra['upsample'] = dict(mode=upsample, align_corners=corners)
        extra['stage4']['multiscale_output'] = not one_map
    else:
        options['multiscale_output'] = not one_map
    return importlib.import_module(f'{host}.models.backbones.hrnet').HRNet(extra=extra, **options)


def _gives_one_map(backbone: StateDict) -> bool:
    """Whether a backbone's last exchange unit has the finest output only, as for poses."""
    last = count_numbered(backbone, 'stage4.{}.branches.0.0.conv1.weight') - 1
    return not any(key.startswith(f'stage4.{last}.fuse_layers.1.') for key in backbone)


def _upsampling_of(task: str) -> str:
    """How the exchange units of a task's networks upsample."""
    return 'bilinear' if task in ('seg', 'face') else 'nearest'


def _loaded(net: nn.Module, weights: StateDict) -> nn.Module:
    """A network with weights, in evaluation mode. Weights that it has no module for are left out.

    Raises:
        UserError: some of its weights are missing or of another size.
    """
    try:
        missing = net.load_state_dict(dict(weights), strict=False).missing_keys
    except RuntimeError as error:
        raise UserError(f'the weights fit no {type(net).__name__}: {error}') from error
    missing = [key for key in missing if not key.endswith(COUNTER)]
    if missing:
        raise UserError(
            f'the network cannot be run: {len(missing)} weights are missing, the first is '
            f'{missing[0]}'
        )
    return net.eval()


def _our_dense(
    backbone: HRNet, weights: StateDict, channels: tuple[int, ...], last: str, fused: bool = True
) -> Assembled:
    """Heatmaps or label maps: the convolution ``last``, behind our HRNetV2 unless not ``fused``."""
    out_channels, in_channels, size, _ = weights[f'{last}.weight'].shape
    conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
    neck = HRNetV2(channels) if fused else nn.Identity()
    head, layer = last.split('.')
    parts = {'neck': neck, head: nn.ModuleDict({layer: conv})}
    return Assembled(backbone, lambda maps: conv(neck(maps)[0]), **parts)


def _our_higher(backbone: HRNet, weights: StateDict, channels: tuple[int, ...]) -> Assembled:
    parts = {key.split('.')[3] for key in weights if key.startswith('head.deconv_layers.0.')}
    steps = count_numbered(weights, 'head.deconv_layers.{}.0.0.weight')
    keypoints = len(weights['head.final_layers.0.weight']) // 2
    head = HigherResolution(channels[0], keypoints, steps, num_blocks=max(0, len(parts) - 1))
    return Assembled(backbone, head, head=head)


def _our_pyramid(backbone: HRNet, weights: StateDict, channels: tuple[int, ...]) -> Assembled:
    out_channels = len(weights['neck.reduction_conv.conv.weight'])
    num_outs = count_numbered(weights, 'neck.fpn_convs.{}.conv.weight')
    neck = HRNetV2p(channels, out_channels, num_outs)
    return Assembled(backbone, neck, neck=neck)


def _our_classifier(backbone: HRNet, weights: StateDict, channels: tuple[int, ...]) -> Assembled:
    classes, features = weights['head.fc.weight'].shape
    neck, last = HRNetCls(channels, features), nn.Linear(features, classes)
    head = nn.ModuleDict(dict(fc=last))
    return Assembled(backbone, lambda maps: last(neck(maps)[0].mean((2, 3))), neck=neck, head=head)


_OURS = {
    'pose': partial(_our_dense, last='head.final_layer', fused=False),
    'pose-higher': _our_higher,
    'face': partial(_our_dense, last='head.final_layer'),
    'seg': partial(_our_dense, last='decode_head.conv_seg'),
    'det': _our_pyramid,
    'cls': _our_classifier,
}


def _timm(weights: StateDict, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    module = importlib.import_module('timm.models.hrnet')
    cfg: dict[str, Any] = {'stem_width': 64}
    for name, stage in extra_of(stages).items():
        cfg[name] = {**stage, 'block_type': stage.pop('block'), 'fuse_method': 'SUM'}
    if 'classifier.weight' not in weights:
        return module.HighResolutionNet(cfg, in_channels, head='')
    cfg['head_conv_bias'] = 'final_layer.0.bias' in weights
    return module.HighResolutionNet(cfg, in_channels, len(weights['classifier.weight']))


def _mmpose(weights: StateDict, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    face = 'head.conv_layers.0.weight' in weights
    heads = importlib.import_module('mmpose.models.heads')
    necks = importlib.import_module('mmpose.models.necks')
    upsample = _upsampling_of('face' if face else 'pose')
    backbone = host_hrnet('mmpose', stages, upsample, one_map=not face, in_channels=in_channels)
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


def _mmseg(weights: StateDict, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    heads = importlib.import_module('mmseg.models.decode_heads')
    fuse = weights['decode_head.convs.0.conv.weight']
    head = heads.FCNHead(
        in_channels=list(stages[-1].channels),
        in_index=tuple(range(len(stages[-1].channels))),
        input_transform='resize_concat',
        channels=len(fuse),
        kernel_size=fuse.shape[-1],
        num_convs=count_numbered(weights, 'decode_head.convs.{}.conv.weight'),
        concat_input=False,
        num_classes=len(weights['decode_head.conv_seg.weight']),
        norm_cfg=dict(type='BN'),
    )
    return Assembled(host_hrnet('mmseg', stages, in_channels=in_channels), head, decode_head=head)


def _mmdet(weights: StateDict, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    necks = importlib.import_module('mmdet.models.necks')
    neck = necks.HRFPN(
        list(stages[-1].channels),
        len(weights['neck.reduction_conv.conv.weight']),
        num_outs=count_numbered(weights, 'neck.fpn_convs.{}.conv.weight'),
    )
    return Assembled(host_hrnet('mmdet', stages, in_channels=in_channels), neck, neck=neck)


def _mmpretrain(weights: StateDict, stages: tuple[Stage, ...], in_channels: int) -> nn.Module:
    models = importlib.import_module('mmpretrain.models')
    classes, features = weights['head.fc.weight'].shape
    neck = nn.Sequential(models.HRFuseScales(list(stages[-1].channels), features))
    head = models.LinearClsHead(classes, features)
    backbone = host_hrnet('mmpretrain', stages, in_channels=in_channels)
    return Assembled(
        backbone, lambda maps: head([neck(maps)[0].mean((2, 3))]), neck=neck, head=head
    )


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
