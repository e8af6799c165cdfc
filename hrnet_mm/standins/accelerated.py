"""The operators of torchvision, on a GPU: those of PyTorch for a CPU are here and as fast."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch


def torchvision_operator(name: str, device: torch.device) -> Callable | None:
    """``torch.ops.torchvision.<name>`` if the tensors are on a GPU and it has a kernel there."""
    if device.type != 'cuda' or find_spec('torchvision') is None:
        return None
    import_module('torchvision')
    exists = torch._C._dispatch_has_kernel_for_dispatch_key(f'torchvision::{name}', 'CUDA')
    return getattr(torch.ops.torchvision, name) if exists else None
