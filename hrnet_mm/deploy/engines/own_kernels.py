"""The fused network run by the package's own kernels on a CPU, compiled on first use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.engines.own_kernels_engine import NativeEngine
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import Engine
from hrnet_mm.models import HRNet


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """For all shapes; a shape's first run plans it.

    Raises:
        NotImplementedError: the network has an operation without a kernel, or the CPU has no
            arithmetic of this precision.
        RuntimeError: the kernels cannot be compiled.
    """
    return NativeEngine(FusedHRNet(net, neck), dtype)
