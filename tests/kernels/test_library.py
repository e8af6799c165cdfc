"""The kernels are compiled once, kept where this user alone writes, and never loaded damaged."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import multiprocessing
import os
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.kernels import bundled, cache, compiler, library, openmp
from tests.kernels.compilers import LANES, calls, ends, machine, script, stand_in_library

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in_library(tmp_path_factory.mktemp('library') / 'built.so')


@pytest.fixture
def cxx(tmp_path: Path, built: Path) -> Iterator[Path]:
    """The compiler of a machine with an empty cache folder; a warning there is an error."""
    compiler = script(tmp_path / 'g++', f'cp {built} "$out"')
    with machine(compiler, tmp_path / 'cache'), warnings.catch_warnings():
        warnings.simplefilter('error')
        yield compiler


def loaded() -> bool:
    """As a new process does."""
    library.load_library.cache_clear()
    return library.load_library().lanes() == LANES


def kept(cxx: Path) -> Path:
    """The file in the cache folder."""
    (path,) = cxx.with_name('cache').rglob('*.so')
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_compiled_once_and_closed_to_others_whatever_the_umask(cxx: Path) -> None:
    umask = os.umask(0)
    try:
        assert loaded() and loaded()
    finally:
        os.umask(umask)
    assert len(calls(cxx)) == 1
    assert mode_of(kept(cxx)) == 0o600 and mode_of(kept(cxx).parent) == 0o700
    assert [path.name for path in kept(cxx).parent.iterdir()] == [kept(cxx).name]


def test_a_folder_that_others_may_write_is_closed_to_them(cxx: Path) -> None:
    folder = cxx.with_name('cache') / 'hrnet_mm' / 'kernels'
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert loaded() and kept(cxx).parent == folder
    assert mode_of(folder) == 0o700


def cut(path: Path) -> None:
    hold(path, path.read_bytes()[: path.stat().st_size // 2])


def hold(path: Path, data: bytes) -> None:
    """As another file, since this process has loaded the one that is there."""
    path.unlink()
    path.write_bytes(data)
    path.chmod(0o600)


def of_others(path: Path) -> None:
    path.chmod(0o666)


def given_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip('only root can give a file away')
    os.chown(path, 12345, -1)


def linked(path: Path) -> None:
    path.rename(path.with_name('elsewhere'))
    path.symlink_to('elsewhere')


def foreign(path: Path) -> None:
    """Whole, but without a function, as that of another program."""
    data = stand_in_library(path.with_name('foreign.so'), without='convolve').read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:32]
    name = path.stem.rpartition('-')[0]
    hold(path.rename(path.with_name(f'{name}-{digest}.so')), data)


@pytest.mark.parametrize('harm', [cut, of_others, given_away, linked, foreign])
def test_what_is_not_the_kernels_is_compiled_again(cxx: Path, harm: Callable[[Path], None]) -> None:
    assert loaded()
    path, data = kept(cxx), kept(cxx).read_bytes()
    harm(path)
    assert loaded() and loaded()
    assert len(calls(cxx)) == 2
    assert path.read_bytes() == data and mode_of(path) == 0o600 and not path.is_symlink()


def no_folder(cache: Path) -> None:
    cache.write_text('')


def link_elsewhere(cache: Path) -> None:
    (cache / 'hrnet_mm').mkdir(parents=True)
    (cache / 'elsewhere').mkdir(mode=0o755)
    (cache / 'hrnet_mm' / 'kernels').symlink_to(cache / 'elsewhere')


def folder_of_another(cache: Path) -> None:
    (cache / 'hrnet_mm' / 'kernels').mkdir(parents=True)
    given_away(cache / 'hrnet_mm' / 'kernels')


@pytest.mark.parametrize('make', [no_folder, link_elsewhere, folder_of_another])
def test_without_a_folder_of_its_own_a_process_compiles_for_itself(
    cxx: Path, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / 'cache')
    before = sorted((tmp_path / 'cache').rglob('*'))
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'temporary'))
    with pytest.warns(UserWarning, match='compiled for this process alone'):
        assert loaded()
    assert not os.listdir(tmp_path / 'temporary')
    assert sorted((tmp_path / 'cache').rglob('*')) == before
    assert not before or mode_of(before[0]) == 0o755


def test_a_user_without_a_home(cxx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(cache.Path, 'home', no_home)
    with pytest.warns(UserWarning, match='compiled for this process alone: Could not determine'):
        assert loaded()


def test_a_full_disk_leaves_nothing_behind(cxx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cache.os, 'replace', full)
    with (
        pytest.warns(UserWarning, match='for this process alone'),
        pytest.raises(RuntimeError, match='cannot be loaded .*No space left'),
    ):
        loaded()
    assert not [path for path in cxx.with_name('cache').rglob('*') if path.is_file()]


def test_processes_that_compile_at_once(tmp_path: Path, built: Path) -> None:
    wait_for_both = 'until [ $(wc -l < "$(dirname "$0")/calls") = 2 ]; do sleep 0.02; done'
    cxx = script(tmp_path / 'g++', f'{wait_for_both}\ncp {built} "$out"')
    with machine(cxx, tmp_path / 'cache'):
        context = multiprocessing.get_context('fork')
        processes = [context.Process(target=exit_as_loaded) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert loaded() and len(calls(cxx)) == 2
        assert [path.suffix for path in kept(cxx).parent.iterdir()] == ['.so']


def exit_as_loaded() -> None:
    os._exit(0 if loaded() else 1)


def test_without_a_compiler_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, 'find_compiler', lambda: None)
    monkeypatch.setattr(bundled, 'bundled_file', lambda instruction_set: None)
    library.load_library.cache_clear()
    with pytest.raises(RuntimeError, match='there is no C\\+\\+ compiler'):
        library.load_library()


@pytest.mark.parametrize(
    ('commands', 'message'),
    [
        ('echo "a note" >&2; echo "an error: cannot do that" >&2; exit 1', 'error: cannot do that'),
        ('exit 3', 'failed: exit code 3'),
        ('true', 'cannot be loaded .*No such file'),
        ('echo no library > "$out"', 'cannot be loaded .*(file too short|invalid ELF)'),
    ],
)
def test_a_failing_compiler_leaves_nothing_to_load(commands: str, message: str, cxx: Path) -> None:
    script(cxx, commands)
    with pytest.raises(RuntimeError, match=message):
        loaded()


def test_a_program_that_does_not_start(cxx: Path) -> None:
    cxx.write_text('this is no program')
    with pytest.raises(RuntimeError, match='does not start: .*Exec format error'):
        loaded()


def test_a_compiler_that_hangs_is_ended_with_its_children(
    cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, 'TIME_LIMIT', 0.5)
    script(cxx, 'sleep 600 & echo $! > "$0.child"; wait')
    with pytest.raises(RuntimeError, match='is not done after 0.5 seconds'):
        loaded()
    child = int(cxx.with_name('g++.child').read_text())
    until = time.monotonic() + 60
    while not ends(child):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('avx9', "HRNET_MM_INSTRUCTIONS='avx9': there are none; it must be one of sse2, avx2, or"),
        ('avx512f', "='avx512f': this CPU has none of them; it must be one of sse2, avx2, or not"),
    ],
)
def test_instructions_that_the_cpu_lacks_are_named(
    name: str, message: str, cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, 'instructions', lambda: {'fpu', 'sse2', 'avx2', 'fma'})
    monkeypatch.setenv('HRNET_MM_INSTRUCTIONS', name)
    with pytest.raises(UserError, match=message):
        loaded()


def test_kernels_for_other_instructions_are_another_file(
    cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, 'instructions', lambda: {'sse2', 'avx2'})
    for name in ('', 'sse2', 'avx2', 'sse2', ''):
        monkeypatch.setenv('HRNET_MM_INSTRUCTIONS', name)
        assert loaded()
    flags = ['=native', '-mavx2']
    assert [[flag in call for flag in flags] for call in calls(cxx)] == [
        [True, False],
        [False, False],
        [False, True],
    ]


def test_a_compiler_is_linked_with_the_openmp_that_its_code_calls(
    cxx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {'GOMP_parallel': '/torch/libgomp.so.1'}
    monkeypatch.setattr(openmp, 'library_of_torch', paths.get)
    assert openmp.openmp_flags('g++ (Debian) 12')[-1] == '/torch/libgomp.so.1'
    assert openmp.openmp_flags('Debian clang version 14') == []
    paths.clear()
    with pytest.warns(UserWarning, match='the kernels run on one thread: PyTorch has no OpenMP'):
        assert loaded()
    assert 'openmp' not in calls(cxx)[0]


@pytest.mark.skipif(sys.platform != 'linux', reason='the kernels have no OpenMP there')
def test_another_copy_of_openmp_in_the_process_changes_nothing(cxx: Path, tmp_path: Path) -> None:
    """As scikit-learn's; the kernels were compiled again for it, and linked with it."""
    path = openmp.library_of_torch('GOMP_parallel')
    if path is None:
        pytest.skip('PyTorch has no OpenMP here')
    other = tmp_path / 'libgomp-a.so.1'
    other.write_bytes(Path(path).read_bytes().replace(b'libgomp', b'libgomq'))  # its own name, too
    assert loaded()
    ctypes.CDLL(str(other))
    assert loaded()
    (command,) = calls(cxx)
    assert path in command.split()
