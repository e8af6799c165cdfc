"""What every candidate is given to do, and the copies of HRNet that do it on the same weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.candidates import UPSAMPLE, LeftOut
from hrnet_mm.base.errors import UserError
from hrnet_mm.models import HRNet, HRNetV2, HRNetV2p
from hrnet_mm.models.archs import stages_from_arch
from hrnet_mm.models.blocks import Bottleneck, ResidualBlock
from hrnet_mm.weights.peers import host_hrnet

ONLY_UPSAMPLES = dict(mmdet='nearest', mmseg='bilinear', timm='nearest')  # mmpose does both
MULTIPLE = 32  # pixels; the hosts pad images to multiples of it
PYRAMID_CHANNELS = 256
# Our neck's names in mmseg's head; all other names are the same everywhere.
RENAMED = ('neck.fuse_conv.', 'neck.head.convs.0.')


@dataclass(frozen=True)
class Workload:
    """A task's network, its images, and whether it trains or infers: the same for all candidates.

    Attributes:
        task: ``'pose'`` is the backbone's finest map alone, ``'seg'`` all maps and the HRNetV2
            neck, ``'det'`` all maps and the HRNetV2p neck, ``'backbone'`` all maps and no neck.
        arch: a published variant or the width of the first branch, as ``HRNet`` takes it.
        size: height and width of the images, multiples of 32.
        batch: images in one call.
        mode: ``'infer'``, one forward pass, or ``'train'``, one step.
        device: as torch names it.
        upsample: ``'nearest'`` or ``'bilinear'``; default: what the task's paper has.
    """

    task: str = 'pose'
    arch: str | int = 'w32'
    size: tuple[int, int] = (256, 192)
    batch: int = 1
    mode: str = 'infer'
    device: str = 'cpu'
    upsample: str = ''

    def __post_init__(self) -> None:
        if not self.upsample:
            object.__setattr__(self, 'upsample', UPSAMPLE[self.task])

    def __str__(self) -> str:
        height, width = self.size
        return (
            f'{self.task} {self.arch} {height}x{width}, batch {self.batch}, {self.mode}, '
            f'{self.device}'
        )

    @property
    def channels(self) -> list[int]:
        """Of the backbone's maps, finest first."""
        return list(stages_from_arch(self.arch)[-1].channels)

    def image(self) -> Tensor:
        """The same random images for every candidate: (batch, 3, height, width)."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(self.batch, 3, *self.size, generator=generator).to(self.device)


def padded(size: tuple[int, int]) -> tuple[int, int]:
    """A size rounded up to what every copy of HRNet takes, as the hosts pad their images."""
    height, width = (-(-side // MULTIPLE) * MULTIPLE for side in size)
    return height, width


def parse_arch(text: str) -> str | int:
    """``'w32'`` or, for a width of one's own, ``'24'``.

    Raises:
        UserError: there is no such HRNet.
    """
    arch = int(text) if text.isdigit() else text
    try:
        stages_from_arch(arch)
    except ValueError as error:
        raise UserError(str(error).replace('arch=', '--arch ', 1)) from error
    return arch


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


def build_trunk(network: str, workload: Workload, with_cp: bool | str = False) -> Trunk:
    """A copy of HRNet with new weights, in train mode.

    Raises:
        LeftOut: this copy cannot do what is asked.
        ModuleNotFoundError: its library is not installed.
    """
    if network == 'ours':
        return our_trunk(workload, with_cp)
    if isinstance(with_cp, str):
        raise LeftOut(f'only ours can recompute by {with_cp}')
    only = ONLY_UPSAMPLES.get(network, workload.upsample)
    if workload.upsample != only:
        raise LeftOut(f'this copy upsamples {only}, the case {workload.upsample}')
    if network == 'timm':
        return Trunk(timm_backbone(workload, with_cp), host_neck(workload))
    stages, one_map = stages_from_arch(workload.arch), workload.task == 'pose'
    options = dict(norm_eval=False, with_cp=with_cp)
    backbone = host_hrnet(network, stages, workload.upsample, one_map, **options)
    return Trunk(backbone, host_neck(workload))


def our_trunk(workload: Workload, with_cp: bool | str = False) -> Trunk:
    backbone = HRNet(
        workload.arch,
        out_indices=(0,) if workload.task == 'pose' else None,
        upsample=workload.upsample,
        with_cp=with_cp,
    )
    if workload.task == 'seg':
        return Trunk(backbone, HRNetV2(workload.channels))
    if workload.task == 'det':
        return Trunk(backbone, HRNetV2p(workload.channels, PYRAMID_CHANNELS))
    return Trunk(backbone)


def timm_backbone(workload: Workload, with_cp: bool) -> nn.Module:
    """timm's ``features_only`` form without the stem's map; it computes all four, wanted or not."""
    if with_cp:
        raise LeftOut('timm cannot recompute the activations of HRNet')
    timm, name = importlib.import_module('timm'), f'hrnet_{workload.arch}'
    if not timm.is_model(name):
        raise LeftOut(f'timm has no {name}')
    indices = (1,) if workload.task == 'pose' else (1, 2, 3, 4)
    options = dict(features_only=True, feature_location='', out_indices=indices)
    return timm.create_model(name, pretrained=False, **options)


def host_neck(workload: Workload) -> nn.Module | None:
    """The hosts' neck of a task, which goes with every copy but ours."""
    channels = workload.channels
    if workload.task == 'det':
        necks = importlib.import_module('mmdet.models.necks')
        return necks.HRFPN(channels, PYRAMID_CHANNELS)
    if workload.task == 'seg':
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


def reference_weights(workload: Workload) -> dict[str, Tensor]:
    """Random weights, the same each time, with norms that keep every map of unit scale.

    A residual block changes its map little, so that what a low precision rounds does not grow from
    block to block: with weights of 1 in all norms, bf16 changes W32's last map by 0.2 of its size.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = our_trunk(workload)
        for block in trunk.modules():
            if isinstance(block, ResidualBlock):
                last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
                nn.init.constant_(last.weight, 0.5)
        calibrate_norms(trunk, lambda: trunk(torch.randn(2, 3, 256, 256)))
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
