"""The kernels, compiled once for this machine and kept."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

from hrnet_mm.kernels.compiler import find_compiler, machine_flags, openmp_flags, run_compiler
from hrnet_mm.kernels.cpu import instructions
from hrnet_mm.kernels.own_files import keep, open_own, own_folder

SOURCES = Path(__file__).with_name('cpp')
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


_I, _I64, _F, _POINTER = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
# What each function of kernels/run.cpp returns and takes.
FUNCTIONS = {
    'lanes': (_I, []),
    'panels': (_I, [_I]),
    'has_bf16': (_I, []),
    'blocks': (_I, [_POINTER]),
    'run': (None, [_POINTER, _POINTER, _I, _POINTER, _I]),
    'packed_size': (_I64, [_I] * 4),
    'pack': (None, [*[_I] * 4, *[_POINTER] * 2, _I]),
    'convolve': (None, [*[_I] * 9, *[_POINTER] * 3, _I]),
    'weight_gradient': (None, [*[_I] * 8, *[_POINTER] * 3, _I]),
    'norm_forward': (None, [_I, _I64, _I, _I, _F, _F, *[_POINTER] * 9, _I]),
    'norm_apply': (None, [_I, _I64, _I, _I, *[_POINTER] * 7, _I]),
    'norm_backward': (None, [_I, _I64, _I, *[_POINTER] * 10, _I]),
}


@cache
def load_library() -> ctypes.CDLL:
    """The kernels, compiled first if this machine has not done so (about 5 seconds).

    They are kept in the user's cache folder under a name made of all they depend on. Where that
    folder cannot be used, as in a container without a home, they are compiled for this process
    alone, with a warning.

    Raises:
        RuntimeError: there is no C++ compiler, it fails, or what it made cannot be loaded.
        UserError: ``HRNET_MM_INSTRUCTIONS`` names what this CPU does not have.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError('there is no C++ compiler (g++ or clang++; CXX names another)')
    try:
        command, name = _recipe(compiler)
        return _kept(name) or _compiled(command, name)
    except (OSError, AttributeError) as error:
        raise RuntimeError(f'the kernels cannot be loaded ({error})') from error


def _recipe(compiler: str) -> tuple[list[str], str]:
    """The command that compiles the kernels, and the name of what comes of it here."""
    version = run_compiler([compiler, '--version'])
    openmp = openmp_flags(version)
    if not openmp:
        reason = f'PyTorch has no OpenMP that code of {compiler} can use'
        warnings.warn(f'the kernels run on one thread: {reason}', stacklevel=4)
    command = [compiler, *FLAGS, *machine_flags(), str(SOURCES / 'run.cpp'), *openmp]
    sources = [path.read_text() for path in sorted(SOURCES.iterdir())]
    cpu = [platform.machine(), platform.processor(), *sorted(instructions())]
    facts = '\0'.join([*command, *sources, *cpu, version])
    return command, f'kernels-{hashlib.sha256(facts.encode()).hexdigest()[:16]}'


def _kept(name: str) -> ctypes.CDLL | None:
    """The kernels that an earlier process has compiled, if there are any and they are whole."""
    try:
        paths = sorted(own_folder().glob(f'{name}-*.so'))
    except OSError:
        return None
    for path in paths:
        with suppress(OSError, AttributeError):
            return _loaded(path)
    return None


def _compiled(command: list[str], name: str) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / 'built.so'
        run_compiler([*command, '-o', str(built)])
        data = built.read_bytes()
        try:
            path = keep(data, own_folder(), name)
        except OSError as error:
            warnings.warn(f'the kernels are compiled for this process alone: {error}', stacklevel=4)
            path = keep(data, Path(folder), name)
        return _loaded(path)


def _loaded(path: Path) -> ctypes.CDLL:
    """With the types of all functions.

    Raises:
        OSError, AttributeError: it is damaged, not this user's, or not these kernels.
    """
    # What was looked at is what is loaded, even where the name has become another file's. The
    # descriptor stays open: the loader takes what has the name of a library for that library.
    descriptor = f'/proc/self/fd/{open_own(path)}'
    library = ctypes.CDLL(descriptor if os.path.exists(descriptor) else str(path))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
