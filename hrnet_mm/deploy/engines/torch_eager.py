"""The fused network run by PyTorch as it is: no compilation, any shape, any device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.engines.torch_network import TorchNetwork
from hrnet_mm.deploy.table import Engine
from hrnet_mm.models import HRNet


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """See :class:`TorchNetwork`."""
    return TorchNetwork(net, neck, image, dtype)
