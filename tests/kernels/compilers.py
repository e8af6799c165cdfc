"""Compilers that a test can do without seconds of compiling: they hand out a library made before.

What they hand out has the functions of the kernels, which do nothing, and asks for no OpenMP.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hrnet_mm.kernels import bundled, library
from hrnet_mm.kernels import compiler as compiler_of_kernels

LANES = 7  # what the library says, as no real one does


def stand_in_library(path: Path, without: str = '') -> Path:
    """A library with all functions of the kernels but one, as it is compiled or bundled."""
    names = [name for name in library.FUNCTIONS if name not in ('lanes', without)]
    lines = [
        f'int lanes() {{ return {LANES}; }}',
        'const char* openmp_functions() { return ""; }',
        'void use_openmp(void*) {}',
        *(f'void {name}() {{}}' for name in names),
    ]
    source = path.with_suffix('.cpp')
    source.write_text(f'extern "C" {{ {" ".join(lines)} }}')
    compiler = library.find_compiler()
    subprocess.run([compiler, '-shared', '-fPIC', str(source), '-o', str(path)], check=True)
    return path


def script(path: Path, compile: str) -> Path:
    """A compiler that tells its version; to compile, it runs these commands. ``$out`` is to write.

    Beside it a line is added to ``calls`` for each library it was asked for.
    """
    calls = shlex.quote(str(path.with_name('calls')))
    path.write_text(
        '#!/bin/sh\n'
        '[ "$1" = --version ] && { echo g++ of a test; exit; }\n'
        f'echo "$*" >> {calls}\n'
        'for out; do :; done\n'
        f'{compile}\n'
    )
    path.chmod(0o755)
    return path


def copying(folder: Path, built: Path) -> Path:
    """A compiler that hands out this file."""
    return script(folder / 'g++', f'cp {shlex.quote(str(built))} "$out"')


@contextmanager
def machine(compiler: Path, cache: Path) -> Iterator[pytest.MonkeyPatch]:
    """A machine with this compiler and no other kernels, where none have been loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CXX', str(compiler))
        patch.setenv('XDG_CACHE_HOME', str(cache))
        patch.delenv(compiler_of_kernels.VARIABLE, raising=False)
        patch.setattr(bundled, 'bundled_file', lambda instruction_set: None)
        library.load_library.cache_clear()
        try:
            yield patch
        finally:
            library.load_library.cache_clear()


def calls(compiler: Path) -> list[str]:
    """The arguments of each library that a :func:`script` was asked for."""
    path = compiler.with_name('calls')
    return path.read_text().splitlines() if path.exists() else []


def ends(pid: int) -> bool:
    """Whether a process that is not ours to wait for has ended."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return not os.path.exists(f'/proc/{pid}')
