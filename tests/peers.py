"""The HRNets of mmpose, mmdet, mmseg, mmpretrain and timm, built like ours, for comparison."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hrnet_mm.models import archs

NEAREST = dict(mode='nearest', align_corners=None)
BILINEAR = dict(mode='bilinear', align_corners=False)
BILINEAR_ALIGNED = dict(mode='bilinear', align_corners=True)


def extra_of(arch: str | int) -> dict[str, Any]:
    """The hosts' ``extra`` of a variant."""
    return archs.extra_of(archs.stages_from_arch(arch))


def small_extra(width: int = 8) -> dict[str, Any]:
    """One module a stage and one block a branch: every kind of layer, little work."""
    extra = extra_of(width)
    for i, stage in enumerate(extra.values(), start=1):
        stage |= dict(num_modules=1, num_blocks=(1,) * i)
    return extra


def host_hrnet(host: str) -> type[nn.Module]:
    return importlib.import_module(f'{host}.models.backbones.hrnet').HRNet


def mmpose_hrnet(arch: str, upsample: dict[str, Any]) -> nn.Module:
    extra = extra_of(arch) | dict(upsample=upsample)
    extra['stage4']['multiscale_output'] = True
    return host_hrnet('mmpose')(extra)


def mmdet_hrnet(arch: str, upsample: dict[str, Any]) -> nn.Module:
    return host_hrnet('mmdet')(extra_of(arch), norm_eval=False)


def mmseg_hrnet(arch: str, upsample: dict[str, Any]) -> nn.Module:
    return host_hrnet('mmseg')(extra_of(arch))


def mmpretrain_hrnet(arch: str, upsample: dict[str, Any]) -> nn.Module:
    return host_hrnet('mmpretrain')(extra=extra_of(arch))


def timm_hrnet(arch: str, upsample: dict[str, Any]) -> nn.Module:
    """timm's network up to the four maps: its ``features_only`` form without the stem's map."""
    net = timm.create_model(
        f'hrnet_{arch}',
        pretrained=False,
        features_only=True,
        feature_location='',
        out_indices=(1, 2, 3, 4),
    )
    assert net.incre_modules is None
    return net


@dataclass(frozen=True)
class Peer:
    name: str
    build: Callable[[str, dict[str, Any]], nn.Module]
    upsample: dict[str, Any]

    def __str__(self) -> str:
        corners = '-aligned' if self.upsample['align_corners'] else ''
        return f'{self.name}-{self.upsample["mode"]}{corners}'


PEERS = (
    Peer('mmpose', mmpose_hrnet, NEAREST),
    Peer('mmpose', mmpose_hrnet, BILINEAR),
    Peer('mmpose', mmpose_hrnet, BILINEAR_ALIGNED),
    Peer('mmdet', mmdet_hrnet, NEAREST),
    Peer('mmseg', mmseg_hrnet, BILINEAR),
    Peer('mmpretrain', mmpretrain_hrnet, NEAREST),
    Peer('timm', timm_hrnet, NEAREST),
)


def randomize(net: nn.Module) -> nn.Module:
    """Give norms weights and statistics that a mistake cannot hide behind."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest magnitude of ``expected``."""
    scale = expected.abs().max()
    assert torch.isfinite(expected).all() and scale > 0
    return float((actual - expected).abs().max() / scale)
