"""The copies of HRNet, each with the neck of a task, on the same weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.what_to_time import Case, LeftOut
from hrnet_mm.models import HRNet, HRNetV2, HRNetV2p
from hrnet_mm.models.archs import extra_of, stages_from_arch

PYRAMID_CHANNELS = 256
# Our neck's names in mmseg's head; all other names are the same everywhere.
RENAMED = ('neck.fuse_conv.', 'neck.head.convs.0.')


class Trunk(nn.Module):
    """A backbone and the neck of a task: all but the head, under the names of a host's model."""

    def __init__(self, backbone: nn.Module, neck: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> what the head of the task reads."""
        maps = self.backbone(image)
        return tuple(maps if self.neck is None else self.neck(maps))


class SegmentationFeatures(nn.Module):
    """mmseg's FCNHead up to its classifier: the mathematics of HRNetV2."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        head.conv_seg = nn.Identity()
        self.head = head

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (self.head._forward_feature(maps),)


def build_trunk(network: str, case: Case, with_cp: bool | str = False) -> Trunk:
    """A copy of HRNet with new weights, in train mode.

    Raises:
        LeftOut: this copy cannot do what is asked.
        ModuleNotFoundError: its library is not installed.
    """
    if isinstance(with_cp, str) and network != 'ours':
        raise LeftOut(f'only ours can recompute by {with_cp}')
    return BUILDERS[network](case, with_cp)


def ours(case: Case, with_cp: bool | str) -> Trunk:
    backbone = HRNet(
        case.arch,
        out_indices=(0,) if case.task == 'pose' else None,
        upsample=case.upsample,
        with_cp=with_cp,
    )
    channels = list(backbone.out_channels)
    necks = dict(seg=lambda: HRNetV2(channels), det=lambda: HRNetV2p(channels, PYRAMID_CHANNELS))
    return Trunk(backbone, necks[case.task]() if case.task in necks else None)


def mmpose(case: Case, with_cp: bool | str) -> Trunk:
    extra = extra_of(stages_from_arch(case.arch))
    extra['stage4']['multiscale_output'] = case.task != 'pose'
    extra['upsample'] = dict(mode=case.upsample, align_corners=None)
    if case.upsample == 'bilinear':
        extra['upsample']['align_corners'] = False
    return Trunk(_host('mmpose')(extra, with_cp=with_cp), host_neck(case))


def mmdet(case: Case, with_cp: bool | str) -> Trunk:
    _check_upsample(case, 'nearest')
    extra, several = extra_of(stages_from_arch(case.arch)), case.task != 'pose'
    backbone = _host('mmdet')(extra, norm_eval=False, with_cp=with_cp, multiscale_output=several)
    return Trunk(backbone, host_neck(case))


def mmseg(case: Case, with_cp: bool | str) -> Trunk:
    _check_upsample(case, 'bilinear')
    extra, several = extra_of(stages_from_arch(case.arch)), case.task != 'pose'
    backbone = _host('mmseg')(extra, with_cp=with_cp, multiscale_output=several)
    return Trunk(backbone, host_neck(case))


def timm(case: Case, with_cp: bool | str) -> Trunk:
    """timm's network up to the maps: its ``features_only`` form without the stem's map.

    It computes all four maps, whether they are wanted or not.
    """
    models = importlib.import_module('timm')
    _check_upsample(case, 'nearest')
    if with_cp:
        raise LeftOut('timm cannot recompute the activations of HRNet')
    name = f'hrnet_{case.arch}'
    if not models.is_model(name):
        raise LeftOut(f'timm has no {name}')
    indices = (1,) if case.task == 'pose' else (1, 2, 3, 4)
    options = dict(features_only=True, feature_location='', out_indices=indices)
    return Trunk(models.create_model(name, pretrained=False, **options), host_neck(case))


BUILDERS: dict[str, Callable[[Case, bool], Trunk]] = dict(
    ours=ours, mmpose=mmpose, mmdet=mmdet, mmseg=mmseg, timm=timm
)


def host_neck(case: Case) -> nn.Module | None:
    """The hosts' neck of a task, which goes with every copy but ours."""
    channels = list(stages_from_arch(case.arch)[-1].channels)
    if case.task == 'det':
        necks = importlib.import_module('mmdet.models.necks')
        return necks.HRFPN(channels, PYRAMID_CHANNELS)
    if case.task == 'seg':
        heads = importlib.import_module('mmseg.models.decode_heads')
        with DefaultScope.overwrite_default_scope('mmseg'):  # where its loss is looked up
            head = heads.FCNHead(
                in_channels=channels,
                in_index=tuple(range(len(channels))),
                input_transform='resize_concat',
                channels=sum(channels),
                kernel_size=1,
                num_convs=1,
                concat_input=False,
                num_classes=2,
                norm_cfg=dict(type='BN'),
            )
        return SegmentationFeatures(head)
    return None


def _host(name: str) -> type[nn.Module]:
    return importlib.import_module(f'{name}.models.backbones.hrnet').HRNet


def _check_upsample(case: Case, built_in: str) -> None:
    if case.upsample != built_in:
        raise LeftOut(f'this copy upsamples {built_in}, the case {case.upsample}')


def reference_weights(case: Case) -> dict[str, Tensor]:
    """Random weights, the same each time, with norms that keep every map of unit scale."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = ours(case, with_cp=False)
        calibrate_norms(trunk, lambda: trunk(torch.randn(2, 3, 64, 64)))
    return trunk.state_dict()


@torch.no_grad()
def calibrate_norms(net: nn.Module, forward: Callable[[], Any]) -> None:
    """Give batch norms the statistics of one batch, so that no map overflows or vanishes."""
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    before = [(norm.training, norm.momentum) for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0  # this batch's statistics alone
    forward()
    for norm, (training, momentum) in zip(norms, before, strict=True):
        norm.train(training)
        norm.momentum = momentum


def load_weights(trunk: Trunk, weights: Mapping[str, Tensor]) -> None:
    """Give a copy the weights of ours.

    Raises:
        LeftOut: the names differ, apart from what a copy has for maps that the task does not use.
    """
    weights = dict(weights)
    if isinstance(trunk.neck, SegmentationFeatures):
        weights = {name.replace(*RENAMED): value for name, value in weights.items()}
    result = trunk.load_state_dict(weights, strict=False)
    used = [name for name in result.missing_keys if '.fuse_layers.' not in name]
    if result.unexpected_keys or used:
        name = (result.unexpected_keys or used)[0]
        raise LeftOut(f'its weights have other names than ours, beginning with {name}')
