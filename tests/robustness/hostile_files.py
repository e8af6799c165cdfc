"""Checkpoint files as an attacker or a broken disk would make them; run as a program, reads them.

    python -m tests.robustness.hostile_files FOLDER

writes the variants into FOLDER, reads each with ``read_checkpoint``, and prints a line of JSON per
file: its name and what came of it; a damaged copy of torch's zip format counts as loaded only if
all its values are as they were. A payload that ran would leave a file named ``payload*``.
"""

from __future__ import annotations

import builtins
import ctypes
import importlib
import io
import json
import operator
import os
import pickle
import random
import resource
import runpy
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.read import read_checkpoint
from tests.helpers import Calls, equal

SECONDS = 10  # that a file may take
MEMORY = 4 << 30  # bytes that reading it may ask for


def write_variants(folder: Path) -> list[Path]:
    whole = folder / 'whole.pth'
    torch.save(contents(), whole)
    legacy = folder / 'legacy.pth'
    torch.save(contents(), legacy, _use_new_zipfile_serialization=False)
    for source in (whole, legacy):
        damage(source)
    for number, payload in enumerate(payloads(folder)):
        write_hostile(folder / f'hostile{number:02d}', payload)
    for name, data in malformed_pickles():
        (folder / f'{name}.pth').write_bytes(data)
        write_archive(folder / f'{name}.zip.pth', data)
    write_odd_archives(folder, whole)
    return sorted(folder.iterdir())


def contents() -> dict[str, Any]:
    history = HistoryBuffer([0.5, 0.25], [1, 2])
    weights = {f'stage{i}.weight': torch.randn(3, 4) for i in range(4)}
    return dict(state_dict=weights, meta=dict(iter=3), message_hub=dict(loss=history))


def damage(source: Path) -> None:
    """Truncations and flipped bits, spread over the file; and garbage at both ends."""
    data, rng = source.read_bytes(), random.Random(0)
    for number in range(40):
        cut = data[: len(data) * number // 40]
        source.with_name(f'{source.stem}.cut{number:02d}').write_bytes(cut)
    for number in range(60):
        flipped = bytearray(data)
        for _ in range(1 + number % 3):
            flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        source.with_name(f'{source.stem}.flip{number:02d}').write_bytes(flipped)
    source.with_name(f'{source.stem}.before').write_bytes(b'\0' * 512 + data)
    source.with_name(f'{source.stem}.behind').write_bytes(data + b'\0' * 512)


def payloads(folder: Path) -> Iterator[Any]:
    """Objects whose loading would leave a file in the folder, each by another way."""
    number = iter(range(1000))

    def file() -> str:
        return str(folder / f'payload{next(number)}')

    def code() -> str:
        return f'open({file()!r}, "w")'

    yield Calls(open, file(), 'w')
    yield Calls(io.open, file(), 'w')
    yield Calls(os.system, f'touch {file()}')
    yield Calls(os.popen, f'touch {file()}')
    yield Calls(os.mkdir, file())
    yield Calls(os.open, file(), os.O_CREAT)
    yield Calls(shutil.copy, __file__, file())
    yield Calls(subprocess.Popen, ['touch', file()])
    yield Calls(subprocess.check_output, ['touch', file()])
    yield Calls(builtins.exec, code())
    yield Calls(builtins.eval, code())
    yield Calls(builtins.__import__, 'antigravity')
    yield Calls(importlib.import_module, 'this')
    yield Calls(runpy.run_path, __file__)
    yield Calls(ctypes.CDLL, file())
    yield Calls(torch.save, {}, file())
    yield Calls(torch.load, file())
    yield Calls(torch.hub.load, 'owner/repository', 'model')
    yield Calls(torch.hub.download_url_to_file, 'file:///etc/hostname', file())
    yield Calls(np.save, file(), 1)
    yield Calls(np.load, file())
    yield Calls(pickle.loads, pickle.dumps(Calls(open, file(), 'w')))
    yield Calls(Path.touch, Path(file()))
    yield Calls(partial, open, file(), 'w')
    yield Calls(map, open, [file()])
    yield Calls(operator.methodcaller('touch'), Path(file()))
    yield Calls(operator.attrgetter('__class__.__base__'), 1)
    yield Calls(getattr, HistoryBuffer, '__init__')
    yield Calls(getattr, HistoryBuffer, '_statistics_methods')
    yield Calls(getattr, torch.Tensor, 'numpy')
    yield Calls(setattr, HistoryBuffer, 'mean', 1)
    yield Calls(type, 'Type', (), {})
    yield Calls(object.__reduce_ex__, 1, 2)
    yield Calls(bytearray, 1 << 62)
    yield Calls(np.ndarray, (1 << 40,), np.dtype('V1'))
    yield Calls(HistoryBuffer, *([code()] * 9))
    yield Calls(torch.nn.Linear, 1 << 30, 1 << 30)
    yield torch.nn.Linear(1, 1)
    yield np.array([Calls(open, file(), 'w')], dtype=object)
    yield dict(state_dict={'weight': Calls(open, file(), 'w')})
    yield [Calls(dict, state=dict(x=Calls(open, file(), 'w')))]


def write_hostile(path: Path, payload: Any) -> None:
    """In torch's two formats, and as a bare pickle."""
    torch.save(payload, path.with_suffix('.zip.pth'))
    torch.save(payload, path.with_suffix('.legacy.pth'), _use_new_zipfile_serialization=False)
    path.with_suffix('.pickle').write_bytes(pickle.dumps(payload, protocol=2))


def malformed_pickles() -> Iterator[tuple[str, bytes]]:
    """Streams of opcodes that no pickler writes."""
    start, stop = b'\x80\x02', pickle.STOP
    yield 'nothing', start
    yield 'only-stop', start + stop
    yield 'unknown-opcode', start + b'\xff' + stop
    yield 'absent-memo', start + b'h\x07' + stop
    yield 'huge-bytes', b'\x80\x04\x8e' + struct.pack('<Q', 1 << 60) + stop
    yield 'huge-text', b'\x80\x04\x8d' + struct.pack('<Q', 1 << 60) + stop
    yield 'huge-frame', b'\x80\x04\x95' + struct.pack('<Q', 1 << 60) + stop
    yield 'huge-number', start + b'\x8b' + struct.pack('<i', 1 << 30) + stop
    yield 'negative-number', start + b'\x8b' + struct.pack('<i', -1) + stop
    yield 'huge-memo', start + b'Nr' + struct.pack('<I', (1 << 32) - 1) + stop
    yield 'deep-lists', start + b']' * 100_000 + b'a' * 99_999 + stop
    yield 'deep-tuples', start + b')' + b'\x85' * 100_000 + stop
    yield (
        'doubled-lists',
        start + b']' + b''.join(b'q%c(h%ch%cl' % (i, i, i) for i in range(60)) + stop,
    )
    yield 'doubled-text', start + b'X\x02\0\0\0aa' + b'2\x86' * 30 + stop
    yield 'missing-storage', start + b'X\x01\0\0\0aQ' + stop
    yield 'global-of-nothing', start + b'c\n\n)R' + stop
    yield 'build-of-nothing', start + b'N}b' + stop
    yield 'reduce-of-number', start + b'K\x01)R' + stop
    yield 'newobj-of-number', start + b'K\x01)\x81' + stop
    yield 'inst', start + b'(ios\nsystem\n' + stop
    yield 'ext1', start + b'\x82\x01' + stop
    yield 'stack-global', b'\x80\x04\x8c\x02os\x8c\x06system\x93' + stop
    yield 'text-protocol', b'cos\nsystem\n(Vtrue\ntR' + stop


def write_archive(path: Path, data: bytes, **others: bytes) -> None:
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in {'data.pkl': data, 'version': b'3\n', **others}.items():
            archive.writestr(f'archive/{name}', content)


def write_odd_archives(folder: Path, whole: Path) -> None:
    """Archives that lie about what they hold."""
    with zipfile.ZipFile(whole) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    for name in entries:  # each part absent, then empty, then of another size
        for kind, content in (('absent', None), ('empty', b''), ('long', b'\0' * 4096)):
            path = folder / f'{kind}.{Path(name).name}.pth'
            with zipfile.ZipFile(path, 'w') as archive:
                for other, data in (entries | {name: content}).items():
                    if data is not None:
                        archive.writestr(other, data)
    with zipfile.ZipFile(folder / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
        archive.writestr('whole/data/9', b'\0' * (64 << 20))
    with zipfile.ZipFile(folder / 'outside.pth', 'w') as archive:
        archive.writestr('../../payload', b'')
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), folder / 'script.pth')


def outcome_of(path: Path, whole: dict[str, Any]) -> str:
    signal.alarm(SECONDS)
    try:
        loaded = read_checkpoint(path)
    except UserError:
        return 'refused'
    except TimeoutError:
        return 'hangs'
    except BaseException as error:  # whatever it is, the report names it
        return f'{type(error).__name__}: {error}'
    finally:
        signal.alarm(0)
    if path.name.startswith('whole.') and not equal(loaded, whole):
        return 'loaded with other values'
    return 'loaded'


def stop_waiting(signum: int, frame: Any) -> None:
    raise TimeoutError


def main() -> None:
    folder = Path(sys.argv[1])
    paths = write_variants(folder)
    assert not list(folder.glob('payload*')), 'writing the files ran a payload'
    signal.signal(signal.SIGALRM, stop_waiting)
    whole = read_checkpoint(folder / 'whole.pth', mmap=False)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for path in paths:
        print(path.name, flush=True)
        print(json.dumps([path.name, outcome_of(path, whole)]), flush=True)


if __name__ == '__main__':
    main()
