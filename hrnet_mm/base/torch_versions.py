"""What differs between the versions of PyTorch that this package runs on, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from hrnet_mm.base.errors import UserError


def is_older_than(version: str) -> bool:
    """Whether PyTorch is older than ``'2.4'``."""
    return torch.__version__ < version  # compares numbers, not letters


def require_torch(version: str, what: str) -> None:
    """Make sure that PyTorch is as new as ``what`` needs.

    Raises:
        UserError: it is older.
    """
    if is_older_than(version):
        raise UserError(f'{what} needs torch {version} or newer; this is {torch.__version__}')


def cpu_autocast_dtype() -> torch.dtype | None:
    """The type of ``torch.autocast`` on a CPU, in which this code runs; None: in none."""
    if is_older_than('2.4'):  # which asks of a CPU by other names
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else None


def grad_scaler(device: str, **options: Any) -> Any:
    """``torch.amp.GradScaler``, which torch before 2.3 has for CUDA only."""
    if not is_older_than('2.3'):
        return torch.amp.GradScaler(device, **options)
    options['enabled'] = options.get('enabled', True) and device == 'cuda'
    return torch.cuda.amp.GradScaler(**options)


# Whether this code is being compiled. torch before 2.3 has the function elsewhere.
is_compiling: Callable[[], bool] = (
    torch.compiler.is_compiling
    if hasattr(torch.compiler, 'is_compiling')
    else torch._utils.is_compiling
)
