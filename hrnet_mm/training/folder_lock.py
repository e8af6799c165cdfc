"""A folder that one process at a time may work in; the lock dies with the process that holds it."""

from __future__ import annotations

import atexit
import os
import platform
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

from mmengine.dist import broadcast_object_list

from hrnet_mm.base.errors import UserError

LOCK = 'training.lock'  # a file in the folder, with a sentence on the process that holds it
_held: dict[Path, int] = {}  # folders, and the open files that hold them


def hold(folder: Path) -> bool:
    """Hold a folder until :func:`release`, or until this process ends in whatever way.

    A folder that this process holds already stays held. What the process forks, such as the workers
    of a DataLoader, does not hold it.

    Returns:
        Whether it is held: False where the file system has no locks.

    Raises:
        UserError: another process holds it; naming that one.
    """
    folder = folder.resolve()
    if folder in _held:
        return True
    if fcntl is None:
        return False
    path = folder / LOCK
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 200).decode(errors='replace') or 'another process'
            os.close(lock)
            raise UserError(
                f'another training is at work in {folder} ({holder}): wait until it has ended, '
                'or name another folder with --work-dir'
            ) from error
        except OSError:  # as on some network file systems
            path.unlink(missing_ok=True)
            os.close(lock)
            return False
        if _is_open_file(path, lock):
            break
        os.close(lock)  # who held it has removed it meanwhile
    with suppress(OSError):  # a full disk costs the sentence, not the lock
        os.ftruncate(lock, 0)
        os.write(lock, f'process {os.getpid()} on {platform.node()}'.encode())
    _held[folder] = lock
    return True


def hold_for_all(folder: Path, is_first: bool) -> bool:
    """:func:`hold` in the first of the processes of one training, on behalf of all.

    The others learn what came of it if they are connected already. If not, the first alone is
    refused, and the launcher ends the others.
    """
    outcome: list[bool | UserError] = [True]
    if is_first:
        try:
            outcome = [hold(folder)]
        except UserError as error:
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], UserError):
        raise outcome[0]
    return outcome[0]


def release(folder: Path) -> None:
    """Let others work in a folder that this process holds; nothing happens where it does not."""
    folder = folder.resolve()
    lock = _held.pop(folder, None)
    if lock is None:
        return
    if _is_open_file(folder / LOCK, lock):
        (folder / LOCK).unlink(missing_ok=True)  # before it is closed: later it may be another's
    os.close(lock)


def _is_open_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _release_all() -> None:
    for folder in list(_held):
        release(folder)


def _forget() -> None:
    """In a forked process: close what would hold the folders beyond the end of their holder."""
    for lock in _held.values():
        os.close(lock)
    _held.clear()


atexit.register(_release_all)
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_forget)
