"""A lock on a folder, which one process at a time can have and which dies with that process."""

from __future__ import annotations

import atexit
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

from mmengine.dist import broadcast_object_list

from hrnet_mm.base.errors import UserError

LOCK = 'training.lock'  # a file in the folder, which says which process has locked it
_locks: dict[Path, int] = {}  # the folders that this process has locked, with their open lock files


def lock(folder: Path) -> bool:
    """Lock a folder until :func:`unlock`, or until this process ends in whatever way.

    A folder that this process has locked already stays locked. The processes that it forks, such as
    the workers of a DataLoader, do not have the lock.

    Returns:
        Whether it is locked: False where the file system has no locks.

    Raises:
        UserError: another process has locked it; naming that one.
    """
    folder = folder.resolve()
    if folder in _locks:
        return True
    if fcntl is None:
        return False
    path = folder / LOCK
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 200).decode(errors='replace') or 'another process'
            os.close(file)
            raise UserError(
                f'another training is at work in {folder} ({holder}): wait until it has ended, '
                'or name another folder with --work-dir'
            ) from error
        except OSError:  # as on some network file systems
            path.unlink(missing_ok=True)
            os.close(file)
            return False
        if _is_open_file(path, file):
            break
        os.close(file)  # the process that had it has removed it meanwhile
    with suppress(OSError):  # a full disk costs the sentence, not the lock
        os.ftruncate(file, 0)
        os.write(file, f'process {os.getpid()} on {platform.node()}'.encode())
    _locks[folder] = file
    return True


def lock_for_all(folder: Path, is_first: bool) -> bool:
    """:func:`lock` in the first of the processes of one training, on behalf of all.

    The others get its outcome if they are connected already. If not, the first alone is refused,
    and the launcher ends the others.
    """
    outcome: list[bool | UserError] = [True]
    if is_first:
        try:
            outcome = [lock(folder)]
        except UserError as error:
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], UserError):
        raise outcome[0]
    return outcome[0]


@contextmanager
def locked_folder(folder: Path, is_first: bool) -> Iterator[list[str]]:
    """Keep other trainings out of a work folder, which exists, until the block ends.

    Args:
        folder: the folder.
        is_first: whether this is the first process of the training.

    Yields:
        Sentences for the user.

    Raises:
        UserError: another training is at work in the folder.
    """
    notes = []
    if not lock_for_all(folder, is_first):
        notes = [f'the file system of {folder} has no locks: start no second training there']
    try:
        yield notes
    finally:
        unlock(folder)


def unlock(folder: Path) -> None:
    """Let others work in a folder again, if this process has locked it."""
    folder = folder.resolve()
    file = _locks.pop(folder, None)
    if file is None:
        return
    if _is_open_file(folder / LOCK, file):
        (folder / LOCK).unlink(missing_ok=True)  # before it is closed: later it may be another's
    os.close(file)


def _is_open_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _unlock_all() -> None:
    for folder in list(_locks):
        unlock(folder)


def _forget() -> None:
    """Close, in a forked process, the files that would keep the locks when its parent has ended."""
    for file in _locks.values():
        os.close(file)
    _locks.clear()


atexit.register(_unlock_all)
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_forget)
