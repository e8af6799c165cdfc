"""What the kernels of training take."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def is_native(x: Tensor, dtype: torch.dtype = torch.float32) -> bool:
    """Whether kernels can read it: of that type, in memory here, dense, channels last."""
    return (
        type(x) in (Tensor, nn.Parameter)
        and x.dtype == dtype
        and x.device.type == 'cpu'
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def empty_map(n: int, c: int, h: int, w: int, dtype: torch.dtype) -> Tensor:
    return torch.empty((n, c, h, w), dtype=dtype, memory_format=torch.channels_last)
