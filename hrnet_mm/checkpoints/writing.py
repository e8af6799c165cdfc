"""Writing weights to a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hrnet_mm.cli import UserError
from hrnet_mm.files import replacing, sha256_of

SUFFIXES = ('.pth', '.pt', '.safetensors')


def check_writable(path: Path) -> None:
    """Make sure that a file of weights can have this name.

    Raises:
        UserError: it has another suffix, or is a folder.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f'{path}: weights are written as {", ".join(SUFFIXES)}')
    if path.is_dir():
        raise UserError(f'{path} is a folder; give the name of a file')


def write_weights(
    weights: Mapping[str, Tensor], path: Path, meta: Mapping[str, Any] | None = None
) -> str:
    """Write weights, whole or not at all; the same weights always give the same bytes.

    Args:
        weights: a state dict.
        path: its suffix decides the format.
        meta: if given, a file of torch holds ``dict(state_dict=..., meta=...)``, as OpenMMLab's do;
            else the state dict itself, as other projects' do. Safetensors hold tensors only.

    Returns:
        The file's SHA-256.
    """
    # Copies: what is saved of a view or a mapped file is all of the storage behind it.
    whole = {name: weight.detach().cpu().contiguous().clone() for name, weight in weights.items()}
    with replacing(path) as temporary:
        if path.suffix == '.safetensors':
            from safetensors.torch import save  # here, as files of torch do not need it

            temporary.write_bytes(save(whole, metadata={'format': 'pt'}))
        else:
            contents = whole if meta is None else dict(state_dict=whole, meta=dict(meta))
            with temporary.open('wb') as file:  # torch would write a path's name into the file
                torch.save(contents, file)
        return sha256_of(temporary)
