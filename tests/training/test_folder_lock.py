"""One process at a time holds a folder, and none that has ended, however it ended."""

import errno
import fcntl
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from hrnet_mm.base.errors import UserError
from hrnet_mm.training.folder_lock import LOCK, lock, unlock

FORK = multiprocessing.get_context('fork')


@pytest.fixture(autouse=True)
def _hold_nothing_afterwards(tmp_path: Path) -> Iterator[None]:
    yield
    unlock(tmp_path)


def hold_and_fork(folder: Path, told: Connection) -> None:
    """Hold a folder, and have a worker that lives until its end of the pipe is closed."""
    lock(folder)
    if os.fork() == 0:
        told.send('the worker lives')
        told.recv()
        os._exit(0)
    signal.pause()


@contextmanager
def another_holds(folder: Path) -> Iterator[multiprocessing.Process]:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=hold_and_fork, args=(folder, theirs))
    process.start()
    ours.recv()
    yield process
    ours.send('the worker may end')


def test_another_process_is_told_who_holds_it_until_that_one_is_killed(tmp_path: Path) -> None:
    """The worker that it has forked is still alive then."""
    with another_holds(tmp_path) as holder:
        with pytest.raises(UserError, match=rf'{tmp_path} \(process {holder.pid} on .*\): wait'):
            lock(tmp_path)
        holder.kill()
        holder.join()
        assert lock(tmp_path)
    assert f'process {os.getpid()} on' in (tmp_path / LOCK).read_text()


def test_its_holder_holds_it_again_by_any_path(tmp_path: Path, monkeypatch) -> None:
    assert lock(tmp_path)
    (tmp_path / 'link').symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert lock(Path('.')) and lock(tmp_path / 'link')
    unlock(tmp_path / 'link')
    (tmp_path / 'link').unlink()
    assert list(tmp_path.iterdir()) == []
    unlock(tmp_path)


def test_no_file_that_its_holder_reads_or_closes_lets_it_go(tmp_path: Path) -> None:
    """As a hook that uploads the whole folder does."""
    assert lock(tmp_path)
    (tmp_path / LOCK).read_text()
    refused = FORK.Process(target=exit_with_refusal, args=(tmp_path,))
    refused.start()
    refused.join()
    assert refused.exitcode == 3


def exit_with_refusal(folder: Path) -> None:
    try:
        lock(folder)
    except UserError:
        os._exit(3)


def test_a_lock_that_was_removed_while_it_was_taken_is_taken_again(tmp_path, monkeypatch) -> None:
    flock, calls = fcntl.flock, []

    def flock_of_a_removed_file(descriptor: int, how: int) -> None:
        if not calls:
            (tmp_path / LOCK).unlink()  # as the one who held it does when it ends
        calls.append(how)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, 'flock', flock_of_a_removed_file)
    assert lock(tmp_path)
    assert len(calls) == 2
    assert str(os.getpid()) in (tmp_path / LOCK).read_text()


def test_where_there_are_no_locks_nothing_is_held_or_left(tmp_path: Path, monkeypatch) -> None:
    def no_flock(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', no_flock)
    assert not lock(tmp_path)
    assert not lock(tmp_path / 'missing')
    assert list(tmp_path.iterdir()) == []
