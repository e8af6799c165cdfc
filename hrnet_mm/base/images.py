"""Finding and reading what to predict on: images, folders and globs of images, videos."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.image_size import MOST_PIXELS, UnreadableImage, check_size

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
LABEL_MAP_SUFFIX = '.labels.png'  # of a segmentation's results, which are no inputs
VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')
FPS_WHERE_UNKNOWN = 25.0

# Gives Frame.loaded of a file, or of a frame of a video.
Load = Callable[[Path, np.ndarray | None], dict[str, Any]]


@dataclass(frozen=True)
class Frame:
    """One picture to predict on.

    Attributes:
        path: the file it comes from.
        name: that file relative to the input's folder, with forward slashes.
        loaded: what the loader of the model's config gives of it, ``img`` and what goes with it.
        index: its number in a video, from 0; None for an image.
        decoded: of a video the frame as it is, (H, W, 3) uint8 BGR; None for an image.
        pixels: of an array in the place of a file, the array, BGR; else None.
        number: its place in a list of images, from 0; None where there is no list.
        lasts: whether the file stays where it is once the frame has been looked at.
    """

    path: Path
    name: str
    loaded: dict[str, Any]
    index: int | None = None
    decoded: np.ndarray | None = None
    pixels: np.ndarray | None = None
    number: int | None = None
    lasts: bool = True

    @property
    def image(self) -> np.ndarray:
        """What the model looks at: (H, W) or (H, W, C), colours as BGR, of any number type."""
        return self.loaded['img']


class ImageFiles:
    """Image files as frames. Of several, one that cannot be read is reported and skipped.

    Args:
        paths: the files.
        root: the folder their names are relative to.
        report: takes one line for every skipped file.
    """

    unit = 'image'

    def __init__(self, paths: Sequence[Path], root: Path, report: Callable[[str], None]) -> None:
        self.names = {path: path.relative_to(root).as_posix() for path in paths}
        self.skipped = 0
        self._report = report

    def __len__(self) -> int:
        return len(self.names)

    def read(self, load: Load) -> Iterator[Frame]:
        """Frames in the order of the paths.

        Args:
            load: see ``loading.ImageLoader.load``.

        Raises:
            UnreadableImage: the only image cannot be read, or none of them can.
        """
        for path, name in self.names.items():
            try:
                loaded = load(path, None)
            except UnreadableImage as error:
                if len(self) == 1:
                    raise
                self.skipped += 1
                self._report(f'skipped: {error}')
                continue
            yield Frame(path, name, loaded)
        if self.skipped == len(self):
            raise UnreadableImage(f'none of the {len(self)} images can be read')


class VideoFile:
    """The frames of a video, in order.

    Args:
        path: the file.
        report: takes a line if the video ends before the number of frames in its header.

    Attributes:
        fps: frames per second; 25 where the file does not say.

    Raises:
        UserError: the file cannot be opened as a video.
    """

    unit = 'frame'
    skipped = 0

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        capture = cv2.VideoCapture(str(path))
        if not capture.isOpened():
            raise UserError(f'{path} cannot be read as a video: damaged, or an unknown codec')
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        width, height = (int(capture.get(side)) for side in sides)
        if width * height > MOST_PIXELS:
            raise UserError(f'{path} has frames of {width} x {height} pixels, which is too many')
        self.names = {path: path.name}
        self.fps = capture.get(cv2.CAP_PROP_FPS) or FPS_WHERE_UNKNOWN
        self._length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._report = report
        capture.release()

    def __len__(self) -> int:
        """The number of frames by the file's header, which may be wrong; 0 where unknown."""
        return max(self._length, 0)

    def read(self, load: Load) -> Iterator[Frame]:
        """Frames until the first that cannot be decoded.

        Args:
            load: see ``loading.ImageLoader.load``.

        Raises:
            UserError: there is not a single one, or the model's config cannot take them.
        """
        [(path, name)] = self.names.items()
        capture = cv2.VideoCapture(str(path))
        try:
            for index in itertools.count():
                decoded, image = capture.read()
                if not decoded:
                    break
                yield Frame(path, name, load(path, image), index, image)
        finally:
            capture.release()
        if index == 0:
            raise UserError(f'{path} is a video without a readable frame')
        if index < len(self):
            self._report(f'{path} ends after {index} of {len(self)} frames')


class Camera:
    """The frames of a camera, without end.

    Args:
        number: of the camera, as OpenCV counts them from 0.

    Raises:
        UserError: there is no such camera, or it gives no pictures.
    """

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        self.name = f'camera {number}'
        if not self._capture.isOpened():
            raise UserError(f'there is no {self.name}, or another program has it')

    def read(self, load: Load) -> Iterator[Frame]:
        """Frames until the camera gives none any more; then it is free again.

        Args:
            load: see ``loading.ImageLoader.load``.
        """
        path = Path(self.name)
        try:
            for index in itertools.count():
                decoded, image = self._capture.read()
                if not decoded:
                    raise UserError(f'{self.name} gives no pictures any more, after {index}')
                yield Frame(path, self.name, load(path, image), index, image)
        finally:
            self._capture.release()


def find_frames(source: str, out: Path, report: Callable[[str], None]) -> ImageFiles | VideoFile:
    """Find what ``source`` names.

    Args:
        source: an image or a video, a folder (read recursively), or a glob of images. Of several,
            label maps (``.labels.png``) are left out.
        out: the folder of the results; images in it are not inputs.
        report: takes one line for every image that cannot be read, when it is its turn.

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
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
    elif path.exists():
        raise UserError(f'{source} is neither a file nor a folder')
    else:
        raise UserError(f'there is no image, folder or video {source}')
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


def read_image(path: Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Decode an image file as mmcv does by default, turned upright by its EXIF orientation.

    Args:
        path: the file.
        flags: OpenCV's, for another form.

    Returns:
        (H, W, 3) uint8 BGR, unless the flags ask for another form.

    Raises:
        UnreadableImage: it cannot be opened, or not decoded, or is too large.
    """
    check_size(path)
    try:
        # Through memory, because cv2.imread cannot open every path on every system.
        image = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    except OSError as error:
        raise UnreadableImage(f'{path} cannot be opened: {error.strerror}') from error
    except cv2.error:
        image = None
    if image is None:
        raise UnreadableImage(f'{path} cannot be read as an image')
    return image
