"""The C++ compiler of this machine, and the OpenMP library that the kernels share with PyTorch."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

import torch

from hrnet_mm.base.errors import UserError
from hrnet_mm.kernels.cpu import instructions

TIME_LIMIT = 300  # seconds; 5 are usual, more where many processes share the cores
VARIABLE = 'HRNET_MM_INSTRUCTIONS'
# The compiler's flags for each instruction set of x86, by Linux's names. They decide the lanes and
# types of cpp/vectors.h: 4 lanes, 8, 16, and 16 with factors of bfloat16.
INSTRUCTION_SETS = {
    'sse2': (),
    'avx2': ('-mavx2', '-mfma'),
    'avx512f': ('-mavx512f', '-mfma'),
    'avx512_bf16': ('-mavx512f', '-mavx512bf16', '-mfma'),
}


def find_compiler() -> str | None:
    """The path of a C++ compiler, that of ``CXX`` first."""
    names = (os.environ.get('CXX', ''), 'g++', 'clang++', 'c++')
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


def run_compiler(command: list[str]) -> str:
    """Run a compiler, and return what it prints.

    Raises:
        RuntimeError: the compiler does not start, fails, or is still at work after ``TIME_LIMIT``;
            then it is killed with the processes that it has started.
    """
    name = f'the C++ compiler {command[0]}'
    # A file, as a pipe stays open as long as any process that the compiler has started.
    with tempfile.TemporaryFile('w+', errors='replace') as printed:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise RuntimeError(f'{name} does not start: {error}') from error
        try:
            code = process.wait(TIME_LIMIT)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f'{name} is not done after {TIME_LIMIT} seconds') from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        printed.seek(0)
        text = printed.read()
    if code:
        lines = text.strip().splitlines() or [f'exit code {code}']
        reason = next((line for line in lines if 'error' in line), lines[0])
        raise RuntimeError(f'{name} failed: {reason}')
    return text


def machine_flags() -> tuple[str, ...]:
    """The flags for all instructions of this CPU, or those that ``HRNET_MM_INSTRUCTIONS`` names.

    Raises:
        UserError: there are no instructions of that name, or this CPU has none of them.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        is_x86 = platform.machine() in ('x86_64', 'AMD64')
        return ('-march=native' if is_x86 else '-mcpu=native',)
    choices = [choice for choice in INSTRUCTION_SETS if choice in instructions()]
    if name not in choices:
        reason = 'this CPU has none of them' if name in INSTRUCTION_SETS else 'there are none'
        right = f'one of {", ".join(choices)}, or nothing' if choices else 'nothing on this CPU'
        raise UserError(f'{VARIABLE}={name!r}: {reason}; it must be {right}')
    return INSTRUCTION_SETS[name]


def openmp_flags(version: str) -> list[str]:
    """The flags that link with PyTorch's own OpenMP: two pools of threads hinder each other.

    Args:
        version: the output of ``g++ --version``; GCC and Clang call different functions.

    Returns:
        No flags where PyTorch has no OpenMP that this compiler's code can use.
    """
    function = '__kmpc_fork_call' if 'clang' in version.lower() else 'GOMP_parallel'
    path = library_of_torch(function)
    # The compiler adds a library of its own at the end, which is then not needed any more.
    return [] if path is None else ['-fopenmp', '-Wl,--as-needed', path]


def library_of_torch(function: str) -> str | None:
    """The file from which PyTorch itself has a function, whatever else this process has loaded.

    scikit-learn and others bring copies of their own of the same OpenMP.
    """
    if sys.platform != 'linux':
        return None
    try:
        found = getattr(ctypes.CDLL(torch._C.__file__), function)  # searches what it depends on
    except (OSError, AttributeError):
        return None
    place = _Place()
    address = ctypes.cast(found, ctypes.c_void_p)
    if not ctypes.CDLL(None).dladdr(address, ctypes.byref(place)):
        return None
    return os.fsdecode(place.path)


class _Place(ctypes.Structure):
    """``Dl_info`` of dlfcn.h."""

    _fields_ = [
        ('path', ctypes.c_char_p),
        ('base', ctypes.c_void_p),
        ('symbol', ctypes.c_char_p),
        ('address', ctypes.c_void_p),
    ]
