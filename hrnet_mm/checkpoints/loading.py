"""Reading a checkpoint file without running what it may contain."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

import hrnet_mm.compat  # noqa: F401  (allows what mmengine's own checkpoints contain)
from hrnet_mm.cli import UserError


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint on the CPU with ``weights_only=True``.

    Raises:
        UserError: the file is absent, truncated, no checkpoint, or asks for code to be run.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'there is no checkpoint {path}')
    if path.stat().st_size == 0:
        raise UserError(f'the checkpoint {path} is empty')
    try:
        # Mapped into memory, so that checking a file does not read all of it.
        loaded = torch.load(
            path, map_location='cpu', weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        raise UserError(f'the checkpoint {path} is refused: {refusal(error)}') from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f'the checkpoint {path} cannot be read ({type(error).__name__}): '
            'it is truncated, damaged or no checkpoint'
        ) from error
    if not isinstance(loaded, dict):
        raise UserError(f'the checkpoint {path} holds a {type(loaded).__name__}, not a dict')
    return loaded


def refusal(error: pickle.UnpicklingError) -> str:
    """The part of torch's message that says what the file asked for."""
    message = str(error)
    for line in message.splitlines():
        if 'Unsupported global' in line or 'GLOBAL' in line or 'may not ask' in line:
            return line.strip()
    return 'it is damaged, or holds more than tensors, numbers, texts and containers of these'
