"""Small networks whose weights and statistics a mistake cannot hide behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hrnet_mm.models import HRNet, HRNetCls, HRNetV1, HRNetV2, HRNetV2p
from tests.peers import randomize, relative_difference, small_extra

CHANNELS = [8, 16, 32, 64]
TOLERANCE = 1e-5

NECKS = {
    'none': lambda: None,
    'v1': HRNetV1,
    'v2': lambda: HRNetV2(CHANNELS),
    'v2-aligned': lambda: HRNetV2(CHANNELS, 24, align_corners=True),
    'v2p': lambda: HRNetV2p(CHANNELS, 16),
    'v2p-max-norm-stride': lambda: HRNetV2p(
        CHANNELS, 16, 3, pooling_type='MAX', norm_cfg=dict(type='BN'), stride=2
    ),
    'cls': lambda: HRNetCls(CHANNELS, 64),
}


def small_net(**options: Any) -> HRNet:
    """Every kind of layer once."""
    return ready(HRNet(extra=small_extra(), **options))


def ready(net: nn.Module) -> nn.Module:
    """In eval mode, with random statistics."""
    return randomize(net).eval()


def small_neck(name: str) -> nn.Module | None:
    neck = NECKS[name]()
    return None if neck is None else ready(neck)


@torch.no_grad()
def maps_of(net: nn.Module, neck: nn.Module | None, image: Tensor) -> Sequence[Tensor]:
    maps = net(image)
    return maps if neck is None else neck(maps)


def assert_same(
    actual: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = TOLERANCE
) -> None:
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape and a.dtype == e.dtype
        assert relative_difference(a, e) < tolerance
