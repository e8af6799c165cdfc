"""Reading a checkpoint file without running what it may contain, and finding the weights in it."""

from __future__ import annotations

import argparse
import importlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import hrnet_mm.fixes  # noqa: F401  (allows what mmengine's own checkpoints contain)
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.pickle_rules import Refused, asks_for
from hrnet_mm.base.pickle_stand_ins import without_stand_ins
from hrnet_mm.base.safe_load import TORCH_IS_SAFE, safe_load
from hrnet_mm.weights.pickle_check import check_pickles
from hrnet_mm.weights.trust import is_trusted

# What training scripts keep beside the weights; it holds values and does nothing.
HARMLESS = [argparse.Namespace]
# The entries that may hold the weights; the first that a checkpoint has is taken. timm's
# ``state_dict_ema`` comes before its weights, as timm itself prefers it; mmengine's
# ``ema_state_dict`` after them, because mmengine puts the averaged weights into ``state_dict`` when
# it saves.
ENTRIES = (
    'state_dict_ema',
    'state_dict',
    'model_state_dict',
    'model_state',
    'model_ema',
    'model',
    'net',
    'network',
    'weights',
    'params',
    'ema_state_dict',
    'ema',
)
COMPILED = '_orig_mod.'  # what torch.compile puts into the names of what is inside


class NotInstalled(UserError):
    """A package that a checkpoint needs is missing; nothing is wrong with the checkpoint."""


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
        raise UserError(f'the checkpoint {path} is refused: {_refusal(error)}') from error
    except Exception as error:  # whatever the bytes of a damaged file make torch and pickle raise
        raise UserError(
            f'the checkpoint {path} cannot be read ({type(error).__name__}): '
            'it is truncated, damaged or no checkpoint'
        ) from error
    if not isinstance(loaded, dict):
        raise UserError(f'the checkpoint {path} holds a {type(loaded).__name__}, not a dict')
    return loaded


def weights_of(
    checkpoint: Mapping[str, Any], where: str, entry: str | None = None
) -> Mapping[str, Tensor]:
    """The state dict in a checkpoint: the tensors in it, by key.

    Args:
        checkpoint: what a file holds: a state dict, or a dict with one beside other things.
        where: the file, for the messages.
        entry: the name of the entry. Default: the first of ``ENTRIES`` there is, or all of it.

    Raises:
        UserError: there are no weights there, or one is no dense tensor of real numbers, as a meta
            tensor, which has no numbers at all.
    """
    if entry is not None and entry not in checkpoint:
        raise UserError(f'{where} has no entry {entry!r}; it has {", ".join(map(str, checkpoint))}')
    if entry is None:
        entry = next((name for name in ENTRIES if _has_weights(checkpoint.get(name))), None)
    contents = checkpoint if entry is None else checkpoint[entry]
    if isinstance(contents, nn.Module):  # a whole model, which only a trusted file can hold
        contents = contents.state_dict()
    if not _has_weights(contents):
        raise UserError(f'{where} does not hold the weights of a model')
    for key, weight in contents.items():
        if _is_weight(key, weight) and (fault := _fault_of(weight)):
            raise UserError(f'{where}: {key} is {fault}; weights are dense tensors of real numbers')
    if all(_is_weight(*item) and COMPILED not in item[0] for item in contents.items()):
        return contents
    weights = {key: value for key, value in contents.items() if _is_weight(key, value)}
    return {key.replace(COMPILED, ''): weight for key, weight in weights.items()}


def starting_with(weights: Mapping[str, Tensor], prefix: str | None) -> Mapping[str, Tensor]:
    """The weights below a prefix of whole names, ``'teacher'`` or ``'teacher.'``, without it.

    Without a prefix, all of them.
    """
    if not prefix:
        return weights
    beginning = prefix.rstrip('.') + '.'
    return {
        key.removeprefix(beginning): weight
        for key, weight in weights.items()
        if key.startswith(beginning)
    }


def import_extra(module: str, source: str | Path) -> ModuleType:
    """Import a module that only some checkpoints need, of the extra ``hub`` (setup.cfg).

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


def _load(path: Path, trust: bool, mmap: bool, map_location: Any) -> Any:
    with path.open('rb') as file:
        start = file.read(9)
    is_zip = start.startswith(b'PK\x03\x04')  # to torch, whatever stands behind these bytes
    if start[8:] == b'{' and not is_zip:  # safetensors: the length of a header of JSON, the header
        module = import_extra('safetensors.torch', path)
        if _has_utf8_name(path):
            return module.load_file(path, device=str(map_location))
        loaded = module.load(path.read_bytes())
        return {name: weight.to(map_location) for name, weight in loaded.items()}
    if is_zip:
        check_sums(path)
    file = str(path)  # torch 2.1 maps no Path
    mmap = mmap and is_zip and _has_utf8_name(path)
    if trust:
        return torch.load(file, map_location=map_location, weights_only=False, mmap=mmap)
    check_pickles(path, is_zip)
    with torch.serialization.safe_globals(HARMLESS) if TORCH_IS_SAFE else nullcontext():
        return without_stand_ins(safe_load(file, map_location, mmap))


def _has_utf8_name(path: Path) -> bool:
    """Whether libraries of C and Rust can open a file by its name: not ``'h\\udcf6he.pth'``."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(error: pickle.UnpicklingError) -> str:
    """What the file asked for, out of torch's message."""
    message = str(error)
    if isinstance(error, Refused):
        return message
    if found := re.search(r'GLOBAL ([\w.]+)|[Uu]nsupported class ([\w.]+)', message):
        return asks_for(found[1] or found[2])
    for line in message.splitlines():
        if 'may not ask' in line:
            return line.strip()
    return 'it is damaged, or holds more than tensors, numbers, texts and containers of these'


def _fault_of(weight: Tensor) -> str | None:
    """What is wrong with a tensor as a weight: its kind, not its numbers, which may be NaN."""
    if type(weight) not in (Tensor, nn.Parameter):
        return f'a tensor of the class {type(weight).__name__}'
    if weight.is_meta:
        return 'a meta tensor, which has no values'
    if weight.is_nested or weight.is_quantized or weight.layout is not torch.strided:
        kind = 'nested' if weight.is_nested else 'quantized' if weight.is_quantized else 'sparse'
        return f'a {kind} tensor'
    if weight.is_complex():
        return 'a complex tensor'
    last = sum((n - 1) * stride for n, stride in zip(weight.shape, weight.stride(), strict=True))
    needed = (weight.storage_offset() + last + 1) * weight.element_size() if weight.numel() else 0
    if weight.untyped_storage().nbytes() < needed:
        return 'a tensor whose storage is too small for its shape'
    return None


def _has_weights(contents: Any) -> bool:
    if isinstance(contents, nn.Module):
        return True
    return isinstance(contents, Mapping) and any(_is_weight(*item) for item in contents.items())


def _is_weight(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor)
