"""Engines give the hosts' own maps, at sizes that maps divide and at others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.deploy import optimize, table
from hrnet_mm.takeover.switch import HOSTS
from tests.helpers import CHANNELS, assert_same
from tests.takeover.upstream import pair

SIZES = [(64, 64), (72, 104), (33, 47), (100, 180)]
NECKS = dict(mmdet='HRFPN', mmpretrain='HRFuseScales')


class Model(nn.Module):
    """A backbone and, where the host has one of HRNet's, its neck."""

    def __init__(self, backbone: nn.Module, neck: nn.Module | None) -> None:
        super().__init__()
        self.backbone, self.neck = backbone, neck

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.backbone(image)
        return list(maps if self.neck is None else self.neck(maps))


@pytest.mark.parametrize('backend', ['eager', 'native', 'openvino', 'onnxruntime'])
@pytest.mark.parametrize('host', HOSTS)
def test_an_engine_gives_the_hosts_maps_at_any_size(host: str, backend: str) -> None:
    if lack := table.BACKENDS[backend].what_is_missing(torch.device('cpu')):
        pytest.skip(lack)
    theirs, ours = models_of(host)
    fast = optimize(ours, torch.randn(1, 3, 64, 64), backend=backend)
    by_host = []
    for size in SIZES:
        image = torch.randn(2, 3, *size)
        with torch.no_grad():
            try:
                expected = theirs(image)
                by_host.append(size)
            except RuntimeError:  # most hosts take no size that is not divisible by 32
                expected = ours(image)
            assert_same(fast(image), expected)
    assert by_host == SIZES if host == 'mmseg' else (64, 64) in by_host


def models_of(host: str) -> tuple[nn.Module, nn.Module]:
    """The host's model and ours, of the same weights."""
    backbones, necks = pair(host), (None, None)
    if host in NECKS:
        necks = pair(host, NECKS[host], CHANNELS, 16)
    return tuple(Model(b, n).eval() for b, n in zip(backbones, necks, strict=True))
