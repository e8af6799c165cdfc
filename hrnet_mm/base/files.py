"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4
from weakref import finalize

from hrnet_mm.base.errors import UserError

UNFINISHED = 'training'  # in the names of files that write_whole has not finished
LEFTOVER = re.compile(rf'\.{UNFINISHED}\d+(\.pth)?')


@contextmanager
def replacing(path: Path, mark: str = '', number: int | None = None) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` when the block ends without an error.

    Args:
        path: the file.
        mark: a word in the name of the temporary file, ``.mark1234.pth``, by which one that a
            killed process has left is found.
        number: the number in that name; files that are written as one share it. By default it is
            one that nobody else has: two containers that share a folder are both process 1.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number = uuid4().int if number is None else number
    temporary = path.with_name(f'.{mark}{number}{path.suffix}')
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)  # which a full disk does not say
        raise
    finally:
        temporary.unlink(missing_ok=True)


class TemporaryFolder:
    """A folder that is removed once nobody refers to this object any more.

    Attributes:
        path: of the folder.
    """

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix='hrnet_mm-'))
        self.remove = finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, bring it to the disk, and only then give it its name.

    Raises:
        UserError: it cannot be written; what ``path`` held before is unchanged.
    """
    try:
        with replacing(path, UNFINISHED) as temporary, temporary.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({error.strerror}); what was saved before is unchanged'
        ) from error


def sync_folder(folder: Path) -> None:
    """Bring the names of the files in a folder to the disk, before anything relies on them."""
    if os.name != 'posix':
        return  # elsewhere a folder cannot be opened
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the files that :func:`write_whole` of a killed process was writing into ``folder``."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
