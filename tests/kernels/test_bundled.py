"""The kernels of a wheel: each CPU takes its own, and nothing is compiled where they fit."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.kernels import bundled, compiler, library
from tests.kernels.compilers import LANES, calls, copying, machine, stand_in_library

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')
SETS = ('sse2', 'avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16')
CPUS = {
    'of 2008': {'fpu', 'sse2', 'sse4_1'},
    'haswell': {'fpu', 'sse2', 'avx2', 'fma'},
    'skylake-server': {'fpu', 'sse2', 'avx2', 'fma', 'avx512f'},
    'cascade-lake': {'fpu', 'sse2', 'avx2', 'fma', 'avx512f', 'avx512_vnni'},
    'zen4': {'fpu', 'sse2', 'avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16'},
}


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in_library(tmp_path_factory.mktemp('library') / 'built.so')


@pytest.fixture
def cxx(tmp_path: Path, built: Path) -> Iterator[Path]:
    """The compiler of a machine whose package lies in ``tmp_path`` and carries no kernels."""
    find = bundled.bundled_file
    compiler_of_machine = copying(tmp_path, built)
    with machine(compiler_of_machine, tmp_path / 'cache') as patch, warnings.catch_warnings():
        warnings.simplefilter('error')
        patch.setattr(bundled, 'bundled_file', find)
        patch.setattr(bundled, 'FOLDER', tmp_path)
        yield compiler_of_machine


@pytest.fixture
def files(cxx: Path, built: Path) -> dict[str, Path]:
    """The kernels that the package carries, by their instruction set."""
    data = built.read_bytes()
    digest = compiler.hash_of(data)
    names = {name: f'{compiler.bundled_name(name)}-{digest}.so' for name in SETS}
    for name in names.values():
        (cxx.parent / name).write_bytes(data)
    return {name: cxx.parent / file for name, file in names.items()}


def loaded() -> Path:
    """The file that a new process loads."""
    library.load_library.cache_clear()
    kernels = library.load_library()
    assert kernels.lanes() == LANES
    return Path(kernels._name)


def on(cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, 'instructions', lambda: CPUS[cpu])


@pytest.mark.parametrize(('cpu', 'best'), list(zip(CPUS, SETS, strict=True)))
def test_each_cpu_takes_its_own_of_one_installation(
    cpu: str, best: str, files: dict[str, Path], cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(cpu, monkeypatch)
    assert loaded() == files[best] and not calls(cxx)


@pytest.mark.parametrize('name', ['sse2', 'avx2', 'avx512f'])
def test_the_variable_chooses(
    name: str, files: dict[str, Path], cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on('skylake-server', monkeypatch)
    monkeypatch.setenv(compiler.VARIABLE, name)
    assert loaded() == files[name] and not calls(cxx)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('avx9', 'there are none; it must be one of sse2, avx2, or nothing'),
        ('avx512f', 'this CPU has none of them; it must be one of sse2, avx2, or nothing'),
    ],
)
def test_a_wrong_name_costs_a_sentence(
    name: str, message: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    on('haswell', monkeypatch)
    monkeypatch.setenv(compiler.VARIABLE, name)
    with pytest.raises(UserError, match=f"HRNET_MM_INSTRUCTIONS='{name}': {message}"):
        loaded()


def test_what_the_package_does_not_carry_is_compiled(
    files: dict[str, Path], cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on('haswell', monkeypatch)
    files['avx2'].unlink()
    assert loaded() not in files.values()
    monkeypatch.setattr(bundled, 'instructions', frozenset)  # as of Arm
    assert loaded() not in files.values()
    assert ['=native' in call for call in calls(cxx)] == [True]


def test_other_sources_than_those_of_the_file_are_compiled(
    files: dict[str, Path], cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an edit of an installed package, or where a file of another version was left."""
    on('zen4', monkeypatch)
    assert loaded() == files['avx512_bf16']
    sources = shutil.copytree(compiler.SOURCES, cxx.parent / 'cpp')
    monkeypatch.setattr(compiler, 'SOURCES', sources)
    assert loaded() == files['avx512_bf16']
    (sources / 'op.h').write_text((sources / 'op.h').read_text() + '// another line')
    assert loaded() not in files.values() and len(calls(cxx)) == 1


def test_a_pytorch_without_openmp_compiles(
    files: dict[str, Path], cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, 'functions_of_openmp', lambda names: None)
    assert loaded() not in files.values() and len(calls(cxx)) == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b'')


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize('harm', [cut, changed, empty, a_folder])
def test_a_damaged_file_is_named_and_the_kernels_are_compiled(
    harm: Callable[[Path], None],
    files: dict[str, Path],
    cxx: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on('haswell', monkeypatch)
    harm(files['avx2'])
    with pytest.warns(UserWarning, match='installed kernels are not used: .*kernels-avx2-.*') as w:
        assert loaded() not in files.values()
    assert len(calls(cxx)) == 1 and w[0].filename == __file__
    monkeypatch.setattr(library, 'find_compiler', lambda: None)
    with (
        pytest.warns(UserWarning, match='installed kernels are not used'),
        pytest.raises(RuntimeError, match='there is no C\\+\\+ compiler'),
    ):
        loaded()


def test_the_kernels_need_no_folder_of_the_user(
    files: dict[str, Path], cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cxx.parent / 'cache').write_text('')
    on('zen4', monkeypatch)
    monkeypatch.setattr(library, 'find_compiler', lambda: None)
    assert loaded() == files['avx512_bf16']
