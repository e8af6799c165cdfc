"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path, mark: str = '', number: int | None = None) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` when the block ends without an error.

    Args:
        path: the file.
        mark: a word in the name of the temporary one, ``.mark1234.pth``, by which what a killed
            process was writing is found.
        number: in that name, the same for files that are written as one. By default one that nobody
            else has, as two containers that share a folder are both process 1.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number = uuid4().int if number is None else number
    temporary = path.with_name(f'.{mark}{number}{path.suffix}')
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
