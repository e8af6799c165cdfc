"""The kernels that a wheel for Linux carries, a file for each instruction set of x86.

They are a part of the package, and trusted as its Python files are. Each process takes those for
its own CPU, so that different machines may share one installation.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from pathlib import Path

from hrnet_mm.base.errors import UserError
from hrnet_mm.kernels.compiler import INSTRUCTION_SETS, VARIABLE, bundled_name, hash_of
from hrnet_mm.kernels.cpu import instructions
from hrnet_mm.kernels.openmp import functions_of_openmp

FOLDER = Path(__file__).parent


def asked_instruction_set() -> str:
    """The instruction set that ``HRNET_MM_INSTRUCTIONS`` names, or nothing.

    Raises:
        UserError: there are no instructions of that name, or this CPU has none of them.
    """
    name = os.environ.get(VARIABLE, '')
    choices = instruction_sets()
    if name and name not in choices:
        reason = 'this CPU has none of them' if name in INSTRUCTION_SETS else 'there are none'
        right = f'one of {", ".join(choices)}, or nothing' if choices else 'nothing on this CPU'
        raise UserError(f'{VARIABLE}={name!r}: {reason}; it must be {right}')
    return name


def instruction_sets() -> list[str]:
    """Those of ``INSTRUCTION_SETS`` that this CPU has, the best last."""
    return [name for name in INSTRUCTION_SETS if name in instructions()]


def bundled_file(instruction_set: str = '') -> Path | None:
    """The file for an instruction set or, without a name, for the best that this CPU has.

    None where there is no file, or none that was made of the sources that are beside it.
    """
    names = [instruction_set] if instruction_set else instruction_sets()[-1:]
    found = (path for name in names for path in FOLDER.glob(f'{bundled_name(name)}-*.so'))
    return next(found, None)


def load_bundled(instruction_set: str) -> ctypes.CDLL | None:
    """The kernels of the wheel, or None where it has none that can be used."""
    path = bundled_file(instruction_set)
    if path is None:
        return None
    try:
        # Part of a file can be loaded without an error, and ends the process later.
        if not path.stem.endswith(f'-{hash_of(path.read_bytes())}'):
            raise OSError(f'{path} is damaged')
        return _with_openmp(ctypes.CDLL(str(path)))
    except OSError as error:
        reason = f'{error} (reinstalling hrnet_mm mends it)'
        warnings.warn(f'the installed kernels are not used: {reason}', stacklevel=4)
        return None


def _with_openmp(library: ctypes.CDLL) -> ctypes.CDLL | None:
    """Hand PyTorch's own OpenMP to the kernels; None where it has none."""
    library.openmp_functions.restype = ctypes.c_char_p
    functions = functions_of_openmp(library.openmp_functions().decode().split())
    if functions is None:
        return None
    library.use_openmp((ctypes.c_void_p * len(functions))(*functions))
    return library
