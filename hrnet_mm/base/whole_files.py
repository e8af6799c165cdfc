"""Files that are there whole or not at all, whatever ends the process or the machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing

WHOLE_FILES = 'hrnet_mm.whole_files'
SAVING = 'training'  # in the names of files under way, which others in the folder do not have
LEFTOVER = re.compile(rf'\.{SAVING}\d+(\.pth)?')


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name, bring it to the disk, and only then give it its own.

    Raises:
        UserError: it cannot be written; what ``path`` held before is unchanged.
    """
    try:
        with replacing(path, SAVING) as temporary, temporary.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({error.strerror}); what was saved before is unchanged'
        ) from error


def sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too, before anything relies on it."""
    if os.name != 'posix':
        return  # elsewhere a folder cannot be opened
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was writing into ``folder``."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


@register_backend(WHOLE_FILES, force=True)
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, written whole: ``backend_args=dict(backend=WHOLE_FILES)``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_whole(Path(filepath), obj)
