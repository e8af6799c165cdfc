"""Reading a checkpoint file without running what it may contain."""

from __future__ import annotations

import argparse
import importlib
import pickle
import re
import zipfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import hrnet_mm.compat  # noqa: F401  (allows what mmengine's own checkpoints contain)
from hrnet_mm.cli import UserError

# What training scripts keep beside the weights; it holds values and does nothing.
HARMLESS = [argparse.Namespace]


def read_checkpoint(
    path: str | Path, trust: bool = False, mmap: bool = True, map_location: Any = 'cpu'
) -> dict[str, Any]:
    """Load a checkpoint, by default with ``weights_only=True``: nothing in it is run.

    Args:
        path: a file of torch (either format) or of safetensors; its contents decide, not its name.
        trust: unpickle whatever the file asks for, which runs code that its author chose.
        mmap: map the file into memory where it can be, so that only what is used is read. The file
            must then not be overwritten in place while its tensors are in use.
        map_location: where the tensors go.

    Raises:
        UserError: the file is absent, truncated, damaged, no checkpoint, or asks for code to be
            run. A single flipped bit is found in torch's zip format, which has checksums.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'there is no checkpoint {path}')
    if path.stat().st_size == 0:
        raise UserError(f'the checkpoint {path} is empty')
    try:
        loaded = _load(path, trust, mmap, map_location)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(f'the checkpoint {path} is refused: {refusal(error)}') from error
    except Exception as error:  # whatever the bytes of a damaged file make torch and pickle raise
        raise UserError(
            f'the checkpoint {path} cannot be read ({type(error).__name__}): '
            'it is truncated, damaged or no checkpoint'
        ) from error
    if not isinstance(loaded, dict):
        raise UserError(f'the checkpoint {path} holds a {type(loaded).__name__}, not a dict')
    return loaded


def _load(path: Path, trust: bool, mmap: bool, map_location: Any) -> Any:
    if is_safetensors(path):
        return from_extra('safetensors.torch', path).load_file(path, device=str(map_location))
    is_zip = zipfile.is_zipfile(path)
    if is_zip:
        check_sums(path)
    with nullcontext() if trust else _harmless_allowed():
        return torch.load(
            path,
            map_location=map_location,
            weights_only=not trust,
            mmap=mmap and is_zip,
        )


def from_extra(module: str, source: str | Path) -> ModuleType:
    """A module that only some checkpoints need, of the extra ``hub`` (setup.cfg).

    Raises:
        UserError: it is not installed; naming the checkpoint that needs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition('.')[0]
        raise UserError(f"{source} needs {package}: pip install 'hrnet_mm[hub]'") from error


def check_sums(path: Path) -> None:
    """Compare every record of torch's zip format with its checksum, which torch writes, not reads.

    Raises:
        UserError: one differs; or the records are compressed, as torch's never are, and might be
            anything in size.
    """
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        if sum(record.file_size for record in records) > path.stat().st_size:
            raise UserError(f'the checkpoint {path} is compressed; unpack it first')
        if not any(record.CRC for record in records):
            return  # saved after torch.serialization.set_crc32_options(False)
        damaged = archive.testzip()
    if damaged is not None:
        raise UserError(f'the checkpoint {path} is damaged: {damaged} fails its checksum')


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a header of JSON, and the header."""
    with path.open('rb') as file:
        start = file.read(9)
    return start[8:] == b'{' and start[:4] != b'PK\x03\x04'


def _harmless_allowed() -> AbstractContextManager[None]:
    if hasattr(torch.serialization, 'safe_globals'):
        return torch.serialization.safe_globals(HARMLESS)
    return nullcontext()


def refusal(error: pickle.UnpicklingError) -> str:
    """What the file asked for, out of torch's message."""
    message = str(error)
    if found := re.search(r'GLOBAL ([\w.]+)|[Uu]nsupported class ([\w.]+)', message):
        return (
            f'it asks for {found[1] or found[2]}, which is no part of weights and may run code. If '
            'you trust whoever made it, let tools/convert_checkpoint.py --trust-checkpoint write '
            'its weights to a file of their own'
        )
    for line in message.splitlines():
        if 'may not ask' in line:
            return line.strip()
    return 'it is damaged, or holds more than tensors, numbers, texts and containers of these'
