"""The user's cache of compiled kernels. Only files that nobody else could change are run as code.

A file's name ends in the hash of its contents: ``kernels-<hash of the sources>-<hash>.so``. A file
that another user may write, or that a crash left damaged, is refused.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from hrnet_mm.kernels.compiler import hash_of

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path:
    """Make the folder of the user's kernels, ``~/.cache/hrnet_mm/kernels``, and close it to others.

    Raises:
        OSError: the folder cannot be made, or others may change it.
    """
    folder = _users_cache() / 'hrnet_mm' / 'kernels'
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, 0o700)
        _check_owner(os.fstat(descriptor), folder)
    finally:
        os.close(descriptor)
    return folder


def _users_cache() -> Path:
    root = os.environ.get('XDG_CACHE_HOME')
    try:
        return Path(root) if root else Path.home() / '.cache'
    except RuntimeError as error:  # a user whom the system does not know, as in containers
        raise FileNotFoundError(f'{error} (HOME is not set)') from error


def store(data: bytes, folder: Path, name: str) -> Path:
    """Write a file that is there whole or not at all, whoever else writes it now.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    path = folder / f'{name}-{hash_of(data)}.so'
    descriptor, temporary = tempfile.mkstemp(dir=folder)  # which nobody else may read or write
    try:
        with open(descriptor, 'wb') as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def open_stored(path: Path) -> int:
    """The descriptor of a file that :func:`store` has written.

    Raises:
        OSError: the file cannot be read, others may write it, or its contents are not those that
            its name says, as after a crash.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_owner(os.fstat(descriptor), path)
        with open(descriptor, 'rb', closefd=False) as file:
            if not path.stem.endswith(f'-{hash_of(file.read())}'):
                raise OSError(f'{path} is damaged')
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_owner(status: os.stat_result, path: Path) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & OTHERS_WRITE:
        raise PermissionError(f'{path} is not written by this user alone')
