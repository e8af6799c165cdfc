"""Build the wheel of mmcv, or of its fork, with the compiled operators.

PyPI has both as source only. Built in isolation, its setup script does not see torch and silently
leaves the operators out (``No module named 'mmcv._ext'``), so it is built against the torch of this
environment. Nearly all of the time goes into parsing torch's headers once per source file; a
precompiled header does that once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HEADER = 'mmcv/ops/csrc/common/pytorch_cpp_helper.hpp'
CXX_STANDARD = 'c++17'  # the one that mmcv's setup script passes; the header must match it
LEAN_FLAGS = '-DNDEBUG -fwrapv -O2 -g0 -w'

COMPILER_FACTS = """
import sysconfig, torch
from torch.utils.cpp_extension import include_paths
print(torch.cuda.is_available())
print(*include_paths(), sysconfig.get_paths()['include'], sep='\\n')
"""


def main() -> None:
    """Take the package's name, its version and the folder in which to leave the wheel."""
    package, version, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = download_source(package, version, folder)
    has_cuda, *include_dirs = output_of(sys.executable, '-c', COMPILER_FACTS).split('\n')
    try:
        if has_cuda == 'True':
            raise RuntimeError('the CUDA operators need the plain build')
        flags = precompile_header(source, include_dirs)
        build_wheel(source, folder, flags)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as reason:
        print(f'building without a precompiled header: {reason}', flush=True)
        (source / f'{HEADER}.gch').unlink(missing_ok=True)
        build_wheel(source, folder, flags=None)


def download_source(package: str, version: str, folder: Path) -> Path:
    pip('download', '--no-deps', '--no-binary', package, '--no-build-isolation',
        '--dest', str(folder), f'{package}=={version}')  # fmt: skip
    name = f'{package.replace("-", "_")}-{version}'
    # Without a filter, which Python has from 3.11.4 on: pip runs this package's setup.py anyway.
    shutil.unpack_archive(folder / f'{name}.tar.gz', folder)
    return folder / name


def precompile_header(source: Path, include_dirs: list[str]) -> str:
    """Return the compiler flags that make every source file start from the compiled header."""
    compiler = os.environ.get('CXX', 'g++')
    header = source / HEADER
    includes = [f'-I{header.parent}', *(f'-I{folder}' for folder in include_dirs)]
    macros = ['-DTORCH_API_INCLUDE_EXTENSION_H', '-DTORCH_EXTENSION_NAME=_ext']
    flags = [*LEAN_FLAGS.split(), '-Wsign-compare', '-fPIC', f'-std={CXX_STANDARD}']
    subprocess.run(
        [compiler, *flags, *macros, *includes, '-x', 'c++-header', header, '-o', f'{header}.gch'],
        check=True,
    )
    return f'{LEAN_FLAGS} -Winvalid-pch -include {header}'


def build_wheel(source: Path, folder: Path, flags: str | None) -> None:
    os.environ['MMCV_WITH_OPS'] = '1'
    os.environ.setdefault('MAX_JOBS', str(os.cpu_count()))
    if flags:
        os.environ['CFLAGS'] = flags
    else:
        os.environ.pop('CFLAGS', None)
    pip('wheel', '--no-build-isolation', '--no-deps', '-v', '--wheel-dir', str(folder), str(source))


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, '-m', 'pip', *arguments], check=True)


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == '__main__':
    main()
