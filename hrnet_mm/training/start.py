"""The start of a run: what it creates until its first iteration, and removes if it fails before."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, ClassVar

from mmengine.dist import broadcast_object_list, is_main_process, master_only
from mmengine.runner import Runner

from hrnet_mm.base.errors import UserError

NAME_OF_A_LOG_FOLDER = '%Y%m%d_%H%M%S'  # MMEngine's


class CreatedFiles:
    """The files and folders that a run has created, so that they can be removed again."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.files: list[Path] = []
        self.replaced: dict[Path, tuple[bytes, bytes]] = {}  # by path: before and after

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, where they are missing."""
        if not folder.parent.exists():
            self.make_folder(folder.parent)
        try:
            self.make_new_folder(folder)
        except FileExistsError:
            if not folder.is_dir():
                raise

    def make_new_folder(self, folder: Path) -> None:
        """Make a folder that is this process's alone.

        Raises:
            FileExistsError: it is there already.
        """
        folder.mkdir()
        self.folders.append(folder)

    @contextmanager
    def writing(self, file: Path) -> Iterator[None]:
        """Note what the block writes to a file, which may be there before."""
        before = file.read_bytes() if file.exists() else None
        if before is None:
            self.files.append(file)
        try:
            yield
        finally:  # a disk that is full leaves a part of the new text
            if before is not None:
                self.replaced[file] = before, file.read_bytes()

    def remove(self) -> None:
        """Remove the files, and the folders in which nothing else is; restore what was replaced."""
        for file, (before, after) in self.replaced.items():
            with suppress(OSError):
                if file.read_bytes() == after:  # else another run has written it since
                    file.write_bytes(before)
        for file in self.files:
            with suppress(OSError):
                file.unlink()
        for folder in reversed(self.folders):
            with suppress(OSError):
                folder.rmdir()
        self.files, self.folders, self.replaced = [], [], {}


class StartingRunner(Runner):
    """MMEngine's Runner with a log folder of its own, which it can remove again.

    MMEngine names the folder by the second, ``20261128_140954``, and two runs that start in the
    same one share it, and in one process the visualizer too, whatever their folders. Here the
    second of them takes the name of the next second.

    A Runner that cannot be built removes what it has created.

    Attributes:
        has_begun: whether the first iteration of a training or test is done.
        created: the log folder and the config in the work folder.
    """

    names: ClassVar[set[str]] = set()  # of all log folders that this process has created

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.has_begun = False
        self.created = CreatedFiles()
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self.remove_traces()
            raise

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        super().setup_env(env_cfg)
        name = [self._make_log_folder() if is_main_process() else '']
        broadcast_object_list(name)
        self._timestamp = name[0]

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        self.has_begun |= fn_name in ('after_train_iter', 'after_val_iter', 'after_test_iter')
        super().call_hook(fn_name, **kwargs)

    @master_only
    def dump_config(self) -> None:
        path = Path(self.work_dir, Path(self.cfg.filename or f'{self.timestamp}.py').name)
        with self.created.writing(path):
            super().dump_config()

    def remove_traces(self) -> None:
        """Remove what the Runner has created in the work folder, but no checkpoint."""
        for folder in self.created.folders:  # no other run writes into its log folder
            for inside, folders, files in os.walk(folder, topdown=False):
                for path in (Path(inside, name) for name in (*files, *folders)):
                    with suppress(OSError):
                        if path.is_dir() and not path.is_symlink():
                            path.rmdir()
                        elif path.suffix != '.pth':
                            path.unlink()
        self.created.remove()

    def _make_log_folder(self) -> str:
        second = time.mktime(time.strptime(self._timestamp, NAME_OF_A_LOG_FOLDER))
        while True:
            name = time.strftime(NAME_OF_A_LOG_FOLDER, time.localtime(second))
            second += 1
            if name in self.names:
                continue
            with suppress(FileExistsError):
                self.created.make_new_folder(Path(self.work_dir, name))
                self.names.add(name)
                return name


@contextmanager
def work_folder(folder: Path, is_first: bool) -> Iterator[None]:
    """Make a folder that files can be written into; after an error it goes, if nothing is in it.

    Args:
        folder: the folder.
        is_first: whether this is the first process of the run; the others make nothing.

    Raises:
        UserError: nothing can be written there.
    """
    created = CreatedFiles()
    try:
        try:
            if is_first:
                created.make_folder(folder)
                with TemporaryFile(dir=folder) as file:
                    file.write(b'0')
        except OSError as error:
            raise UserError(
                f'--work-dir {folder}: nothing can be written there ({error.strerror}); '
                'name another folder'
            ) from error
        yield
    except BaseException:
        created.remove()
        raise
