"""The C++ compiler of this machine, and what it makes of cpp/.

It imports the standard library only: setup.py runs it where nothing else is installed, to compile
the kernels that a wheel carries.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIME_LIMIT = 300  # seconds; 15 are usual, more where many processes share the cores
NO_COMPILER = 'there is no C++ compiler (g++ or clang++; CXX names another)'
VARIABLE = 'HRNET_MM_INSTRUCTIONS'
SOURCES = Path(__file__).with_name('cpp')
FLAGS = ('-O3', '-std=c++17', '-fPIC')
# The compiler's flags for each instruction set of x86, by Linux's names. They decide the lanes and
# types of cpp/: 4 lanes, 8, 16, 16 with 8-bit factors, and that with bfloat16. The best is last.
INSTRUCTION_SETS = {
    'sse2': (),
    'avx2': ('-mavx2', '-mfma'),
    'avx512f': ('-mavx512f', '-mfma'),
    'avx512_vnni': ('-mavx512f', '-mavx512bw', '-mavx512vnni', '-mfma'),
    'avx512_bf16': ('-mavx512f', '-mavx512bw', '-mavx512vnni', '-mavx512bf16', '-mfma'),
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


def flags_for(instruction_set: str) -> tuple[str, ...]:
    """The flags for an instruction set or, without a name, for all instructions of this CPU."""
    if instruction_set:
        return INSTRUCTION_SETS[instruction_set]
    is_x86 = platform.machine() in ('x86_64', 'AMD64')
    return ('-march=native' if is_x86 else '-mcpu=native',)


def compile_for_wheel(folder: Path) -> list[Path]:
    """Compile the kernels for every instruction set of x86, all at once (half a minute on 2 cores).

    Returns:
        A file for each in the folder: its :func:`bundled_name`, then the hash of its contents.

    Raises:
        RuntimeError: there is no compiler, or one of the files cannot be compiled.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError(NO_COMPILER)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda name: _compile_one(compiler, name, folder), INSTRUCTION_SETS))


def _compile_one(compiler: str, instruction_set: str, folder: Path) -> Path:
    compiled, linked = (folder / f'{instruction_set}{suffix}' for suffix in ('.o', '.so'))
    source = str(SOURCES / 'bundled.cpp')
    flags = (*FLAGS, *flags_for(instruction_set), '-fopenmp')
    run_compiler([compiler, *flags, '-c', source, '-o', str(compiled)])
    # Linked without -fopenmp, which would add a library. What bundled.cpp does not hand on, as the
    # functions that Clang calls, is then undefined, and an error here instead of at run time.
    link = ('-shared', '-s', '-Wl,-z,defs')
    run_compiler([compiler, *link, str(compiled), '-o', str(linked)])
    name = f'{bundled_name(instruction_set)}-{hash_of(linked.read_bytes())}.so'
    return linked.rename(folder / name)


def bundled_name(instruction_set: str) -> str:
    """What the name of a wheel's file begins with; one made of other sources has another."""
    parts = [path.read_bytes() for path in sorted(SOURCES.iterdir())]
    flags = repr((FLAGS, flags_for(instruction_set))).encode()
    return f'kernels-{instruction_set}-{hash_of(b"".join([*parts, flags]))[:16]}'


def hash_of(data: bytes) -> str:
    """What the name of a file of kernels ends in."""
    return hashlib.sha256(data).hexdigest()[:32]
