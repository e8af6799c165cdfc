"""Pickles of random structure, of what checkpoints may name: wrong types, counts, shapes, states.

    python -m tests.robustness.generated_pickles FOLDER SEED COUNT

writes COUNT files into FOLDER, one after the other, reads each in three ways and prints a line of
JSON for it: its number and what came of it. The number and the seed make the same file again.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import pickle
import random
import resource
import signal
import struct
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from hrnet_mm.base import pickle_reader
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.weights.read import read_checkpoint
from tests.robustness.hostile_files import MEMORY, SECONDS, stop_waiting, write_archive
from tests.robustness.random_pickle import NAMES, STAND_INS, Writer

PLAIN = {
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set,
    OrderedDict, Counter, argparse.Namespace, HistoryBuffer, np.ndarray, torch.Tensor,
    torch.nn.Parameter, torch.Size, torch.device, torch.dtype,
}  # fmt: skip


def write_file(path: Path, seed: int, number: int, names: list[str]) -> None:
    """The file of a seed and a number, in torch's zip format or in the older one."""
    rng = random.Random(f'{seed}/{number}')
    data = Writer(rng, names, path.parent).write()
    if rng.random() < 0.8:
        records = {'data/0': bytes(16), 'data/1': rng.randbytes(rng.choice([16, 16, 16, 0, 32]))}
        write_archive(path, data, **records)
        return
    start = [torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {}]
    pickles = [pickle.dumps(value, protocol=2) for value in start]
    keys = pickle.dumps(rng.choice([*[['0']] * 9, ['0', '1'], [], ['0', '0'], 3]), protocol=2)
    values = b''.join(
        struct.pack('<q', n) + bytes(16) for n in (4, rng.choice([*[4] * 9, 1 << 40]))
    )
    path.write_bytes(b''.join([*pickles, data, keys, values]))


def load_by_reader(path: Path) -> Any:
    return torch.load(path, map_location='cpu', pickle_module=pickle_reader, weights_only=False)


def outcome_of(load: Callable[[Path], Any], path: Path, is_ours: bool) -> str:
    """'refused', 'loaded', or what is wrong."""
    signal.alarm(SECONDS)
    try:
        loaded = load(path)
        return use(loaded) if is_ours else 'loaded'
    except TimeoutError:
        return 'hangs'
    except UserError:
        return 'refused'
    except Exception as error:
        return f'{type(error).__name__}: {str(error):.200}' if is_ours else 'refused'
    finally:
        signal.alarm(0)


def use(loaded: Any) -> str:
    """Look at all that was loaded, as its readers do: a lie about memory ends here."""
    strange = next((x for x in values_in(loaded) if not is_plain(x)), None)
    if strange is not None:
        return f'loaded a {type(strange).__name__}'
    copy.deepcopy(loaded)
    repr(loaded)
    torch.save(loaded, io.BytesIO())
    return 'loaded'


def values_in(value: Any) -> list[Any]:
    found, todo = {}, [value]
    while todo:
        value = todo.pop()
        if id(value) in found:
            continue
        found[id(value)] = value
        if isinstance(value, list | tuple | set):
            todo += value
        elif isinstance(value, dict):
            todo += [*value, *value.values(), *getattr(value, '__dict__', {}).values()]
        elif isinstance(value, argparse.Namespace | HistoryBuffer):
            todo += vars(value).values()
        elif isinstance(value, torch.Tensor):
            assert not value._backward_hooks
            todo += vars(value).values() if hasattr(value, '__dict__') else []
    return list(found.values())


def is_plain(value: Any) -> bool:
    if isinstance(value, np.ndarray | np.generic):
        return type(value) in {*PLAIN, *np.sctypeDict.values()} and value.dtype.kind in 'biufcSU'
    if isinstance(value, torch.Tensor):
        fits = value.numel() == 0 or value.untyped_storage().nbytes() > 0
        dense = value.layout is torch.strided and value.device.type == 'cpu'
        return type(value) in PLAIN and dense and fits and not value.is_quantized
    return type(value) in PLAIN


def run(folder: Path, seed: int, numbers: range) -> None:
    signal.signal(signal.SIGALRM, stop_waiting)
    resource.setrlimit(resource.RLIMIT_AS, (4 * MEMORY, 4 * MEMORY))
    path = folder / 'x.pth'
    ways = {  # 'plain' as MMEngine's Runner reads a file; 'reader' as it does before torch 2.6
        'ours': (read_checkpoint, NAMES),
        'unmapped': (partial(read_checkpoint, mmap=False), NAMES),
        'plain': (partial(safe_load, map_location='cpu'), STAND_INS),
        'reader': (load_by_reader, NAMES),
    }
    for number in numbers:
        for way, (load, names) in ways.items():
            write_file(path, seed, number, names)
            print(f'{number} {way}', flush=True)
            outcome = outcome_of(load, path, is_ours=way in ('ours', 'unmapped'))
            if list(folder.glob('payload*')):
                outcome = 'executed'
            print(json.dumps([number, way, outcome]), flush=True)


if __name__ == '__main__':
    start = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    run(Path(sys.argv[1]), int(sys.argv[2]), range(start, start + int(sys.argv[3])))
