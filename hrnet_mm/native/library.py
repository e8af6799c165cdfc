"""The kernels, compiled once for this machine and kept."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from hrnet_mm.native.cpu import instructions

SOURCES = Path(__file__).with_name('kernels')
FLAGS = ('-O3', '-std=c++17', '-shared', '-fPIC')


class Map(ctypes.Structure):
    """As in kernels/op.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ('buffer', 'n', 'c', 'h', 'w')),
        *((name, ctypes.c_int64) for name in ('offset', 'sn', 'sc', 'sh', 'sw')),
    ]


class Op(ctypes.Structure):
    """As in kernels/op.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ('kind', 'items', 'groups', 'bf16')),
        *((name, ctypes.c_int32) for name in ('kernel', 'stride', 'padding')),
        *((name, ctypes.c_int32) for name in ('window_h', 'window_w', 'relu', 'average')),
        *((name, ctypes.c_int32) for name in ('upsample', 'num_same', 'num_coarser')),
        *((name, Map) for name in ('input', 'output', 'add')),
        ('maps', ctypes.POINTER(Map)),
        *((name, ctypes.c_void_p) for name in ('filters', 'bias')),
    ]


@cache
def load_library() -> ctypes.CDLL:
    """The kernels, compiled first if this machine has not done so (about 5 seconds).

    They are kept in the user's cache folder under a name made of all they depend on.

    Raises:
        RuntimeError: there is no C++ compiler, or it fails.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError('there is no C++ compiler (g++ or clang++; CXX names another)')
    command = [compiler, *FLAGS, _machine_flag(), str(SOURCES / 'run.cpp'), *_openmp_flags()]
    sources = [path.read_text() for path in sorted(SOURCES.iterdir())]
    cpu = [platform.machine(), platform.processor(), *sorted(instructions())]
    facts = [*command, *sources, *cpu, _version(compiler)]
    name = hashlib.sha256('\0'.join(facts).encode()).hexdigest()[:16]
    path = _cache_folder() / f'kernels-{name}.so'
    if not path.exists():
        _compile(command, path)
    return _declared(ctypes.CDLL(str(path)))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """With the types of what takes more than numbers of 4 bytes, as in kernels/run.cpp."""
    i, i64, f, pointer = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
    library.packed_size.restype = i64
    library.pack.argtypes = [*[i] * 4, *[pointer] * 2, i]
    library.convolve.argtypes = [*[i] * 9, *[pointer] * 3, i]
    library.weight_gradient.argtypes = [*[i] * 8, *[pointer] * 3, i]
    library.norm_forward.argtypes = [i, i64, i, i, f, f, *[pointer] * 9, i]
    library.norm_apply.argtypes = [i, i64, i, i, *[pointer] * 7, i]
    library.norm_backward.argtypes = [i, i64, i, *[pointer] * 10, i]
    return library


def find_compiler() -> str | None:
    """The path of a C++ compiler, that of ``CXX`` first."""
    names = (os.environ.get('CXX', ''), 'g++', 'clang++', 'c++')
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


def _compile(command: list[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        done = subprocess.run([*command, '-o', str(built)], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or 'no message').splitlines()[0]
            raise RuntimeError(f'the C++ compiler {command[0]} failed: {reason}')
        built.replace(path)


def _machine_flag() -> str:
    return '-march=native' if platform.machine() in ('x86_64', 'AMD64') else '-mcpu=native'


def _openmp_flags() -> list[str]:
    """Use PyTorch's own OpenMP: two pools of threads in one process hinder each other."""
    maps = Path('/proc/self/maps')
    lines = maps.read_text().splitlines() if maps.exists() else []
    libraries = sorted({line.split(maxsplit=5)[-1] for line in lines if 'libgomp' in line})
    # The compiler adds its own copy at the end, which is then not needed any more.
    return ['-fopenmp', '-Wl,--as-needed', libraries[0]] if libraries else []


def _cache_folder() -> Path:
    root = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(root) / 'hrnet_mm'


def _version(compiler: str) -> str:
    return subprocess.run([compiler, '--version'], capture_output=True, text=True).stdout
