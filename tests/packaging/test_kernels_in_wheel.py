"""A wheel for this platform carries the kernels, so that they need no compiler."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from hrnet_mm.kernels import bundled, library
from hrnet_mm.kernels.compiler import INSTRUCTION_SETS
from hrnet_mm.kernels.cpu import instructions
from tests.kernels.compilers import script
from tests.kernels.layers import channels_last, results, small_hrnet
from tests.packaging.helpers import PIP, Environment, copy_sources, succeed

SCRIPT = Path(__file__).with_name('run_kernels.py')
# A compiler in no time: what it makes are the sources.
COPY = """
case "$*" in
  *-shared*) cp "${out%.so}.o" "$out" ;;
  *) cat hrnet_mm/kernels/cpp/* > "$out" ;;
esac"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sysconfig.get_platform() != 'linux-x86_64', reason='wheels for Linux on x86 have kernels'
    ),
    pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler'),
]


def kernels_of(wheel: Path) -> dict[str, bytes]:
    """The compiled kernels by their instruction set."""
    archive = zipfile.ZipFile(wheel)
    found = (
        re.fullmatch(r'.*/kernels-(\w+)-\w{16}-\w{32}\.so', name) for name in archive.namelist()
    )
    return {match[1]: archive.read(match[0]) for match in found if match}


def test_a_file_for_each_instruction_set_and_nothing_else(
    wheel_with_kernels: Path, wheel: Path
) -> None:
    assert wheel_with_kernels.name.endswith('-py3-none-linux_x86_64.whl')
    assert wheel.name.endswith('-py3-none-any.whl') and not kernels_of(wheel)
    assert kernels_of(wheel_with_kernels).keys() == INSTRUCTION_SETS.keys()
    content, pure = (set(zipfile.ZipFile(path).namelist()) for path in (wheel_with_kernels, wheel))
    assert len(content - pure) == len(INSTRUCTION_SETS) and pure <= content
    assert wheel_with_kernels.stat().st_size < 2**20


def test_the_files_ask_for_no_openmp_and_for_an_old_c_library(wheel_with_kernels: Path) -> None:
    for data in kernels_of(wheel_with_kernels).values():
        assert not re.search(rb'lib(g|i|)omp', data)
        # manylinux2014 is glibc 2.17, and GCC 4.8 with CXXABI_1.3.7.
        assert max(int(minor) for minor in re.findall(rb'GLIBC_2\.(\d+)', data)) <= 17
        assert max(int(minor) for minor in re.findall(rb'CXXABI_1\.3\.?(\d*)', data) if minor) <= 7
        assert b'GLIBCXX_' not in data


@pytest.fixture(scope='module')
def environment(wheel_with_kernels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp('with_kernels'))
    succeed(environment.run(*PIP, 'install', '--no-deps', '--no-index', wheel_with_kernels))
    return environment


@pytest.mark.parametrize('first', ['torch', 'sklearn.cluster', 'hrnet_mm'])
def test_without_a_compiler_or_a_home(first: str, environment: Environment) -> None:
    """Each instruction set has its own kernels, and all run on the threads of PyTorch."""
    if find_spec(first.partition('.')[0]) is None:
        pytest.skip(f'{first} is not installed')
    nowhere = dict(
        PATH=str(environment.folder / 'bin'), HOME='/dev/null', CXX='', XDG_CACHE_HOME=''
    )
    found = json.loads(succeed(environment.run(SCRIPT, first, **nowhere)))
    names = bundled.instruction_sets()
    for name in names:
        path, lanes, has_bf16, has_int8 = found['choices'][name]
        assert Path(path).parent == environment.site_packages / 'hrnet_mm' / 'kernels'
        assert Path(path).name.startswith(f'kernels-{name}-')
        assert lanes == {'sse2': 4, 'avx2': 8}.get(name, 16)
        assert has_bf16 == (name == 'avx512_bf16')
        assert has_int8 == (name in ('avx512_vnni', 'avx512_bf16'))
    assert found['choices'][''] == found['choices'][names[-1]]
    assert "HRNET_MM_INSTRUCTIONS='avx9': there are none" in found['choices']['avx9'][0]
    assert max(found['kernels']['error'], found['fork']['error']) < 1e-5
    assert found['libraries'] == found['libraries_before'] == found['fork']['libraries']
    if not first.startswith('sklearn'):  # which brings one of its own
        assert len(found['libraries']) == 1
    assert found['threads_of_torch'] == found['kernels']['threads'] == found['threads_in_the_end']


@pytest.fixture
def _load_anew() -> Iterator[None]:
    library.load_library.cache_clear()
    yield
    library.load_library.cache_clear()


@pytest.mark.usefixtures('_load_anew')
@pytest.mark.parametrize('name', INSTRUCTION_SETS)
def test_the_same_bits_as_kernels_compiled_here(
    name: str, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in instructions():
        pytest.skip(f'this CPU has no {name}')
    monkeypatch.setenv('HRNET_MM_INSTRUCTIONS', name)
    package = environment.site_packages / 'hrnet_mm' / 'kernels'
    runs = []
    for folder in (bundled.FOLDER, package):
        monkeypatch.setattr(bundled, 'FOLDER', folder)
        library.load_library.cache_clear()
        assert (Path(library.load_library()._name).parent == package) == (folder == package)
        block = small_hrnet(64).stage2[0].branches[0][0]
        for precision in (torch.float32, torch.bfloat16):
            with torch.autocast('cpu', enabled=precision == torch.bfloat16):
                torch.manual_seed(0)
                runs.append(results(block, channels_last(3, 64, 30, 22).to(precision)))
    for compiled, carried in zip(runs[:2], runs[2:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(compiled, carried, strict=True))


def build(tree: Path, **variables: str) -> tuple[Path, str]:
    """The wheel of a source tree, and what building it says."""
    command = [sys.executable, 'setup.py', '--quiet', 'bdist_wheel', '--dist-dir', 'wheel']
    env = os.environ | variables
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)
    succeed(done)
    path = max((tree / 'wheel').iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return path, done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_sources(tmp_path / 'source')


def no_compiler(folder: Path) -> dict[str, str]:
    return dict(CXX='', PATH=str(Path(sys.executable).parent))


def failing(folder: Path) -> dict[str, str]:
    return dict(CXX='/bin/false')


def failing_once(folder: Path) -> dict[str, str]:
    too_old = 'case "$*" in *bf16*) echo "error: unknown option -mavx512bf16"; exit 1;; esac'
    return dict(CXX=str(script(folder / 'g++', f'{too_old}{COPY}')))


def switched_off(folder: Path) -> dict[str, str]:
    return dict(HRNET_MM_PURE_WHEEL='1')


@pytest.mark.parametrize(
    ('variables', 'reason'),
    [
        (no_compiler, 'compiled on first use: there is no C++ compiler'),
        (failing, 'compiled on first use: the C++ compiler /bin/false failed: exit code 1'),
        (failing_once, 'failed: error: unknown option -mavx512bf16'),
        (switched_off, ''),
    ],
)
def test_the_wheel_without_kernels(
    variables: Callable[[Path], dict[str, str]], reason: str, tree: Path, tmp_path: Path
) -> None:
    path, said = build(tree, **variables(tmp_path))
    assert path.name.endswith('-py3-none-any.whl') and not kernels_of(path)
    assert reason in said and ('without compiled kernels' in said) == bool(reason)


def test_a_change_of_the_sources_is_in_the_next_wheel(tree: Path, tmp_path: Path) -> None:
    """And a wheel without kernels has none of those of the wheel before."""
    cxx = str(script(tmp_path / 'g++', COPY))
    before, said = build(tree, CXX=cxx)
    kernels = kernels_of(before)
    assert kernels.keys() == INSTRUCTION_SETS.keys() and 'kernels' not in said
    changed = tree / 'hrnet_mm' / 'kernels' / 'cpp' / 'op.h'
    changed.write_text(changed.read_text() + '// another line\n')
    after, _ = build(tree, CXX=cxx)
    assert after == before
    for data in kernels_of(after).values():
        assert data not in kernels.values() and b'// another line' in data
    pure, _ = build(tree, CXX=cxx, HRNET_MM_PURE_WHEEL='1')
    assert pure != after and not kernels_of(pure)


def test_pip_installs_without_a_compiler(sdist: Path, tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / 'environment')
    offline = ('--no-deps', '--no-index', '--no-build-isolation')
    succeed(environment.run(*PIP, 'install', *offline, sdist, CXX='/bin/false'))
    package = environment.site_packages / 'hrnet_mm' / 'kernels'
    assert (package / 'cpp' / 'run.cpp').is_file() and not list(package.glob('*.so'))


def test_an_editable_install_compiles_on_first_use(editable: Environment) -> None:
    script = 'from hrnet_mm.kernels.bundled import *; print(FOLDER, bundled_file())'
    folder, path = succeed(editable.run('-c', script)).split()
    assert path == 'None' and not list(Path(folder).glob('*.so'))
