"""Reading a checkpoint file without running what it may contain."""

from __future__ import annotations

import argparse
import importlib
import pickle
import re
import zipfile
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

import hrnet_mm.compat  # noqa: F401  (allows what mmengine's own checkpoints contain)
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.pickle_stand_ins import Array, Dtype
from hrnet_mm.weights.calls import Refused, check
from hrnet_mm.weights.structure import Placeholders, check_written_out
from hrnet_mm.weights.trust import is_trusted

# What training scripts keep beside the weights; it holds values and does nothing.
HARMLESS = [argparse.Namespace]


class NotInstalled(UserError):
    """A package that a checkpoint needs; nothing is wrong with the checkpoint."""


def read_checkpoint(
    path: str | Path, mmap: bool = True, map_location: Any = 'cpu'
) -> dict[str, Any]:
    """Load a checkpoint with ``weights_only=True``: nothing in it is run.

    Within ``trust.trusting`` it is unpickled, which runs code that its author chose.

    Args:
        path: a file of torch (either format) or of safetensors; its contents decide, not its name.
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
        loaded = _load(path, is_trusted(), mmap, map_location)
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
        module = from_extra('safetensors.torch', path)
        if _is_text(path):
            return module.load_file(path, device=str(map_location))
        loaded = module.load(path.read_bytes())
        return {name: weight.to(map_location) for name, weight in loaded.items()}
    is_zip = begins_as_zip(path)
    if is_zip:
        check_sums(path)
    if not trust:
        check_structure(path, is_zip)
    with nullcontext() if trust else _harmless_allowed():
        loaded = torch.load(
            path,
            map_location=map_location,
            weights_only=not trust,
            mmap=mmap and is_zip and _is_text(path),
        )
    return loaded if trust else without_stand_ins(loaded)


def from_extra(module: str, source: str | Path) -> ModuleType:
    """A module that only some checkpoints need, of the extra ``hub`` (setup.cfg).

    Raises:
        NotInstalled: naming the checkpoint that needs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition('.')[0]
        raise NotInstalled(f"{source} needs {package}: pip install 'hrnet_mm[hub]'") from error


def check_sums(path: Path) -> None:
    """Compare every record of torch's zip format with its checksum, which torch writes, not reads.

    Raises:
        UserError: one differs; or the records are compressed, as torch's never are, and might be
            anything in size.
    """
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        if len({record.filename for record in records}) < len(records):
            raise UserError(f'the checkpoint {path} is damaged: two records have one name')
        if sum(record.file_size for record in records) > path.stat().st_size:
            raise UserError(f'the checkpoint {path} is compressed; unpack it first')
        if not any(record.CRC for record in records):
            return  # saved after torch.serialization.set_crc32_options(False)
        damaged = archive.testzip()
    if damaged is not None:
        raise UserError(f'the checkpoint {path} is damaged: {damaged} fails its checksum')


def begins_as_zip(path: Path) -> bool:
    """Whether torch reads a file as a zip: by its first bytes, whatever stands behind them."""
    with path.open('rb') as file:
        return file.read(4) == b'PK\x03\x04'


def _is_text(path: Path) -> bool:
    """Whether libraries of C and Rust can open a file by its name: not ``'h\\udcf6he.pth'``."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a header of JSON, and the header."""
    with path.open('rb') as file:
        start = file.read(9)
    return start[8:] == b'{' and start[:4] != b'PK\x03\x04'


def check_structure(path: Path, is_zip: bool) -> None:
    """Make sure that the pickles in a file of torch make weights and plain values only.

    Raises:
        Refused: they do not.
        Exception: of any type; they are damaged.
    """
    size = path.stat().st_size
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            sizes = {record.filename: record.file_size for record in archive.infolist()}
        root = next(iter(sizes)).partition('/')[0]
        with path.open('rb') as file:
            reader = torch._C.PyTorchFileReader(file)  # torch.load's own: the same bytes
            pickled = BytesIO(reader.get_record('data.pkl'))
        placeholders = Placeholders(lambda key: sizes[f'{root}/data/{key}'])
        check_written_out(placeholders.run(pickled), size)
        return
    with path.open('rb') as file:
        placeholders = Placeholders()
        *_, contents, keys = (placeholders.run(file) for _ in range(5))
        check_written_out(contents, size)
        check(type(keys) is list and set(keys) == placeholders.storages.keys(), 'the storages')
        end = file.tell() + sum(8 + storage.nbytes for storage in placeholders.storages.values())
        check(end <= size, 'the storages')


def without_stand_ins(value: Any, known: dict[int, Any] | None = None) -> Any:
    """What was read, with numpy's own types in the place of ``hrnet_mm.base.pickle_stand_ins``."""
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = value, value  # as it was, too: else its id may be another's
        known[id(value)] = value, _plain(value, known)
    return known[id(value)][1]


def _plain(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, Array):
        return np.array(value)
    if isinstance(value, Dtype):
        return value.value
    if type(value) is tuple:
        return tuple(without_stand_ins(item, known) for item in value)
    if isinstance(value, list):
        value[:] = [without_stand_ins(item, known) for item in value]
    elif isinstance(value, dict):
        for key, item in value.items():
            value[key] = without_stand_ins(item, known)
    elif isinstance(value, argparse.Namespace):
        without_stand_ins(vars(value), known)
    return value


def _harmless_allowed() -> AbstractContextManager[None]:
    if hasattr(torch.serialization, 'safe_globals'):
        return torch.serialization.safe_globals(HARMLESS)
    return nullcontext()


def refusal(error: pickle.UnpicklingError) -> str:
    """What the file asked for, out of torch's message."""
    message = str(error)
    if isinstance(error, Refused):
        return message
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
