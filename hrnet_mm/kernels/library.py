"""The compiled kernels as Python calls them: their functions, structures and packed filters."""

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

import torch
from torch import Tensor

from hrnet_mm.kernels.bundled import asked_instruction_set, load_bundled
from hrnet_mm.kernels.cache import cache_folder, open_stored, store
from hrnet_mm.kernels.compiler import (
    FLAGS,
    NO_COMPILER,
    SOURCES,
    find_compiler,
    flags_for,
    run_compiler,
)
from hrnet_mm.kernels.cpu import instructions
from hrnet_mm.kernels.openmp import openmp_flags


class Map(ctypes.Structure):
    """``Map`` of cpp/op.h: where a map lies in memory."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ('buffer', 'n', 'c', 'h', 'w')),
        ('step', ctypes.c_float),
        *((name, ctypes.c_int64) for name in ('offset', 'sn', 'sc', 'sh', 'sw')),
    ]


class Op(ctypes.Structure):
    """``Op`` of cpp/op.h: one kernel call of a fused network."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ('kind', 'items', 'groups', 'bf16')),
        *((name, ctypes.c_int32) for name in ('kernel', 'stride', 'padding')),
        *((name, ctypes.c_int32) for name in ('window_h', 'window_w', 'relu', 'average')),
        *((name, ctypes.c_int32) for name in ('upsample', 'num_same', 'num_coarser', 'tiles')),
        *((name, Map) for name in ('input', 'output', 'add')),
        ('maps', ctypes.POINTER(Map)),
        *((name, ctypes.c_void_p) for name in ('filters', 'bias', 'steps')),
    ]


_I, _I64, _F, _POINTER = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
# What each function of cpp/run.cpp returns and takes.
FUNCTIONS = {
    'lanes': (_I, []),
    'panels': (_I, [_I]),
    'has_bf16': (_I, []),
    'has_int8': (_I, []),
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
    """The kernels: those of the wheel or, where it has none for this CPU, compiled on first use.

    Compiling takes about 15 seconds. What is compiled is kept in the user's cache folder under a
    name made of all it depends on. Where that folder cannot be used, as in a container without a
    home, it is compiled for this process alone, with a warning.

    Raises:
        RuntimeError: there is no C++ compiler, it fails, or what it made cannot be loaded.
        UserError: ``HRNET_MM_INSTRUCTIONS`` names what this CPU does not have.
    """
    instruction_set = asked_instruction_set()
    try:
        bundled = load_bundled(instruction_set)
        if bundled is not None:
            return _declared(bundled)
        compiler = find_compiler()
        if compiler is None:
            raise RuntimeError(NO_COMPILER)
        command, name = _command_and_name(compiler, instruction_set)
        return _from_cache(name) or _compiled(command, name)
    except (OSError, AttributeError) as error:
        raise RuntimeError(f'the kernels cannot be loaded ({error})') from error


def _command_and_name(compiler: str, instruction_set: str) -> tuple[list[str], str]:
    """The command that compiles the kernels, and the name of its result in the cache."""
    version = run_compiler([compiler, '--version'])
    openmp = openmp_flags(version)
    if not openmp:
        reason = f'PyTorch has no OpenMP that code of {compiler} can use'
        warnings.warn(f'the kernels run on one thread: {reason}', stacklevel=4)
    flags = (*FLAGS, '-shared', *flags_for(instruction_set))
    command = [compiler, *flags, str(SOURCES / 'run.cpp'), *openmp]
    sources = [path.read_text() for path in sorted(SOURCES.iterdir())]
    cpu = [platform.machine(), platform.processor(), *sorted(instructions())]
    facts = '\0'.join([*command, *sources, *cpu, version])
    return command, f'kernels-{hashlib.sha256(facts.encode()).hexdigest()[:16]}'


def _from_cache(name: str) -> ctypes.CDLL | None:
    """The kernels that an earlier process has compiled, if there are any and they are whole."""
    try:
        paths = sorted(cache_folder().glob(f'{name}-*.so'))
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
            path = store(data, cache_folder(), name)
        except OSError as error:
            warnings.warn(f'the kernels are compiled for this process alone: {error}', stacklevel=4)
            path = store(data, Path(folder), name)
        return _loaded(path)


def _loaded(path: Path) -> ctypes.CDLL:
    """Load a file of the cache.

    Raises:
        OSError, AttributeError: the file is damaged, not this user's, or does not hold the kernels.
    """
    # What was looked at is what is loaded, even where the name has become another file's. The
    # descriptor stays open: the loader takes what has the name of a library for that library.
    descriptor = f'/proc/self/fd/{open_stored(path)}'
    return _declared(ctypes.CDLL(descriptor if os.path.exists(descriptor) else str(path)))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the types of all functions.

    Raises:
        AttributeError: the library does not hold the kernels.
    """
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def pack(weight: Tensor, tile: int, dtype: torch.dtype) -> Tensor:
    """Bring filters into the order in which the kernels read them.

    The result is panels of output channels, each a matrix with a row for every word it reads.

    Args:
        weight: (out_channels, in_channels, k, k).
        tile: outputs of a Winograd tile along a side, 2 or 4; 0 for a direct convolution.
        dtype: float32, or bfloat16 of which two are a word of 4 bytes.

    Returns:
        (words,) float32.
    """
    kernels, is_bf16 = load_library(), dtype == torch.bfloat16
    channels_last = weight.float().permute(0, 2, 3, 1).contiguous()
    out_channels, *taps, in_channels = channels_last.shape
    numbers = in_channels if tile else in_channels * taps[0] * taps[1]
    size = kernels.packed_size(tile, is_bf16, out_channels, numbers)
    packed = torch.zeros(size, dtype=torch.float32, device='cpu')  # whatever the default is
    kernels.pack(
        tile,
        is_bf16,
        out_channels,
        numbers,
        channels_last.data_ptr(),
        packed.data_ptr(),
        torch.get_num_threads(),
    )
    return packed
