"""One small network and an engine of every kind for it, each made once."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.table import BACKENDS
from hrnet_mm.models import HRNet
from tests.deploy.helpers import Made
from tests.helpers import small_net


@pytest.fixture(scope='package')
def engines() -> Made:
    """A backend's name -> the optimised network, and the network."""
    net = small_net(upsample='bilinear').requires_grad_(False)

    @functools.cache
    def made(backend: str) -> tuple[nn.Module, HRNet]:
        if lack := BACKENDS[backend].what_is_missing(torch.device('cpu')):
            pytest.skip(lack)
        return optimize(net, torch.rand(1, 3, 64, 64), backend=backend), net

    return made
