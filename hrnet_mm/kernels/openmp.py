"""The OpenMP that the kernels share with PyTorch: two pools of threads hinder each other."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

import torch


def openmp_flags(version: str) -> list[str]:
    """The flags that link with PyTorch's own OpenMP.

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


def functions_of_openmp(names: list[str]) -> list[int] | None:
    """Where the functions of PyTorch's OpenMP are, or None where it has not all of them.

    As for every library, one that is visible to the whole process comes first: LD_PRELOAD is how
    people give PyTorch another OpenMP.
    """
    with suppress(OSError):
        for library in (ctypes.CDLL(None), ctypes.CDLL(torch._C.__file__)):
            with suppress(AttributeError):
                found = [getattr(library, name) for name in names]
                return [ctypes.cast(function, ctypes.c_void_p).value for function in found]
    return None


class _Place(ctypes.Structure):
    """``Dl_info`` of dlfcn.h."""

    _fields_ = [
        ('path', ctypes.c_char_p),
        ('base', ctypes.c_void_p),
        ('symbol', ctypes.c_char_p),
        ('address', ctypes.c_void_p),
    ]
