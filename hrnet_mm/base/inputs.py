"""What to predict on, as it is typed or given: paths, addresses, a camera, or several of them."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hrnet_mm.base.download import WEB, download_into, file_name
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import TemporaryFolder
from hrnet_mm.base.given import check_images
from hrnet_mm.base.image_size import UnreadableImage
from hrnet_mm.base.images import (
    IMAGE_SUFFIXES,
    LABEL_MAP_SUFFIX,
    VIDEO_SUFFIXES,
    Camera,
    Frame,
    ImageFiles,
    Load,
    VideoFile,
)

Report = Callable[[str], None]


class WebFile:
    """An image or a video at an http(s) address; it is downloaded when it is read.

    Args:
        address: of the file.
        report: takes lines about a video.

    Raises:
        UserError: the address names no file.
    """

    is_endless = False
    skipped = 0

    def __init__(self, address: str, report: Report) -> None:
        self._address = address
        self._report = report
        name = file_name(address)
        self.names = {Path(address): name}
        self.unit = 'frame' if Path(name).suffix.lower() in VIDEO_SUFFIXES else 'image'

    def __len__(self) -> int:
        return 1 if self.unit == 'image' else 0  # unknown

    def read(self, load: Load) -> Iterator[Frame]:
        """Its frames; the file is there as long as one of them.

        Raises:
            UnreadableImage: it cannot be downloaded, or not be read.
        """
        [name] = self.names.values()
        folder = TemporaryFolder()
        path = folder.path / file_name(self._address)
        try:
            self._download(path)
            if self.unit == 'frame':
                for frame in VideoFile(path, self._report).read(load):
                    yield replace(frame, name=name, temporary=folder)
            else:
                yield Frame(path, name, load(path, None), temporary=folder)
        except UserError as error:
            folder.remove()  # which a traceback would keep
            raise type(error)(str(error).replace(str(path), self._address)) from error

    def _download(self, path: Path) -> None:
        try:
            download_into(self._address, path)
        except UserError as error:
            raise UnreadableImage(str(error)) from error


Input = ImageFiles | VideoFile | Camera | WebFile


def is_address(source: object) -> bool:
    """Whether it is an address of the web."""
    return isinstance(source, str) and source.startswith(WEB)


def find_input(source: str | Path | int, out: Path, report: Report) -> Input:
    """Find what is meant by a path, an address, or the number of a camera.

    Args:
        source: also a folder or a glob, see ``find_frames``.
        out: the folder of the results; images in it are not inputs.
        report: takes one line for every image that cannot be read, when it is its turn.

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
    if isinstance(source, int):
        return Camera(source)
    if is_address(source):
        return WebFile(str(source), report)
    return find_frames(os.path.expanduser(source), out, report)


def find_frames(source: str, out: Path, report: Report) -> ImageFiles | VideoFile:
    """Find what ``source`` names.

    Args:
        source: an image or a video, a folder (read recursively), or a glob of images. Of several,
            label maps (``.labels.png``) are left out.
        out: the folder of the results; images in it are not inputs.
        report: takes one line for every image that cannot be read, when it is its turn.

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
    check_images(source)
    path = Path(source)
    if path.is_dir():
        found, root = path.rglob('*'), path
    elif path.is_file():
        if path.suffix.lower() in VIDEO_SUFFIXES:
            return VideoFile(path, report)
        return ImageFiles([path], path.parent, report)
    elif glob.has_magic(source):
        found = map(Path, glob.iglob(source, recursive=True))
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    else:
        raise UserError(f'{source} is neither a file nor a folder')
    images = sorted(set(_visible_images(found, root, out)))
    if not images:
        what = f'the folder {source} holds' if path.is_dir() else f'{source} matches'
        raise UserError(f'{what} no images ({" ".join(IMAGE_SUFFIXES)})')
    return ImageFiles(images, root, report)


def _visible_images(found: Iterator[Path], root: Path, out: Path) -> Iterator[Path]:
    results = out.resolve()
    # An earlier run's drawings are no inputs, unless all inputs lie in the folder of the results.
    excluded = results if root.resolve() in results.parents else None
    for path in found:
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        hidden = any(part.startswith('.') for part in path.relative_to(root).parts)
        left_out = hidden or path.name.lower().endswith(LABEL_MAP_SUFFIX)
        if not left_out and (excluded is None or excluded not in path.resolve().parents):
            yield path


class Inputs:
    """One input or several, one after another; what is named by two of them is read once.

    Of one input, images have their names in its folder. Of several, files have their names in the
    folder that holds them all: ``day1/a.jpg`` and ``day2/a.jpg``.

    Args:
        sources: at least one, see ``find_input``; a camera is alone.
        out: see ``find_input``.
        report: see ``find_input``.

    Attributes:
        names: of every file, address or camera the name under which its results go; it may be
            changed.
        unit: ``'image'``, ``'frame'``, or where both are there ``'picture'``.

    Raises:
        UserError: see ``find_input``.
    """

    def __init__(self, sources: Sequence[str | Path | int], out: Path, report: Report) -> None:
        if not sources:
            raise UserError('there is nothing to predict on')
        self._parts = [find_input(source, out, report) for source in sources]
        self._report = report
        if self.is_endless and len(self._parts) > 1:
            raise UserError('a camera has no end: no other input can come beside it')
        if len(self._parts) > 1:
            self._name_in_one_folder()
        self.names = {path: name for part in self._parts for path, name in part.names.items()}
        units = {part.unit for part in self._parts}
        self.unit = units.pop() if len(units) == 1 else 'picture'

    def __len__(self) -> int:
        """The number of images and frames; 0 where unknown."""
        numbers = [len(part) for part in self._parts]
        return sum(numbers) if all(numbers) else 0

    @property
    def is_endless(self) -> bool:
        return any(part.is_endless for part in self._parts)

    @property
    def skipped(self) -> int:
        """The number of images that could not be read so far."""
        return sum(part.skipped for part in self._parts)

    @property
    def videos(self) -> list[Path]:
        return [path for part in self._parts if part.unit == 'frame' for path in part.names]

    def read(self, load: Load, workers: int = 0, most: int = 1) -> Iterator[Frame]:
        """Frames in their order. Of several inputs, one that cannot be read is skipped.

        Args:
            load: see ``loading.ImageLoader.load``.
            workers: threads that read files, of images and videos, before they are asked for.
            most: frames that may wait, fewer if they are large.

        Raises:
            UnreadableImage: the only input cannot be read, or none can.
        """
        unread = 0
        for part in self._parts:
            part.names = {path: self.names[path] for path in part.names}
            beside = (workers, most) if isinstance(part, ImageFiles | VideoFile) else ()
            try:
                yield from part.read(load, *beside)
            except UnreadableImage as error:
                if len(self._parts) == 1:
                    raise
                unread += 1
                part.skipped = max(part.skipped, 1)
                self._report(f'skipped: {error}')
        if unread == len(self._parts):
            raise UnreadableImage(f'none of the {unread} inputs can be read')

    def _name_in_one_folder(self) -> None:
        """Give files their names in the folder that holds all; drop what is there twice."""
        known: set[str] = set()
        files = [part for part in self._parts if isinstance(part, ImageFiles | VideoFile)]
        paths = [path.absolute() for part in files for path in part.names]
        try:
            folder = os.path.commonpath([os.path.normpath(path.parent) for path in paths])
        except ValueError:  # on several drives, or no files at all
            folder = None
        for part in self._parts:
            names = {}
            for path, name in part.names.items():
                whole = str(path)
                if part in files:
                    whole = os.path.normpath(path.absolute())
                    name = name if folder is None else Path(whole).relative_to(folder).as_posix()
                if whole not in known:
                    names[path] = name
                known.add(whole)
            part.names = names
        self._parts = [part for part in self._parts if part.names]
