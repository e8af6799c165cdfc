"""Reading images, videos and a camera, as frames."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hrnet_mm.base.beside import ahead
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import TemporaryFolder
from hrnet_mm.base.image_size import MOST_PIXELS, UnreadableImage, check_size

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
LABEL_MAP_SUFFIX = '.labels.png'  # of a segmentation's results, which are no inputs
VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')
FPS_WHERE_UNKNOWN = 25.0
HIGHEST_FPS = 250  # containers say 1000 or 90000 where they know only the times of the frames

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
        temporary: the folder of the file, if it is there only as long as somebody refers to it.
        seconds: of a video, how long after its first frame this one is shown.
        fps: of a video, its frames per second.
    """

    path: Path
    name: str
    loaded: dict[str, Any]
    index: int | None = None
    decoded: np.ndarray | None = None
    pixels: np.ndarray | None = None
    number: int | None = None
    temporary: TemporaryFolder | None = None
    seconds: float | None = None
    fps: float = FPS_WHERE_UNKNOWN

    @property
    def image(self) -> np.ndarray:
        """What the model looks at: (H, W) or (H, W, C), colours as BGR, of any number type."""
        return self.loaded['img']

    @property
    def lasts(self) -> bool:
        """Whether the file stays where it is once the frame has been looked at."""
        return self.temporary is None

    @property
    def place(self) -> str:
        """What a message calls it: ``'photos/a.jpg'``, ``'frame 3 of clip.mp4'``."""
        where = str(self.path) if self.lasts else self.name
        return where if self.index is None else f'frame {self.index} of {where}'


class ImageFiles:
    """Image files as frames. One that cannot be read is reported and skipped, or an error.

    Args:
        paths: the files.
        root: the folder their names are relative to.
        report: takes one line for every skipped file.

    Attributes:
        names: of the files, relative to the root, with forward slashes.
        skipped: how many files could not be read.
        strict: a file that cannot be read is an error; it is if there is only one.
    """

    unit = 'image'
    is_endless = False

    def __init__(self, paths: Sequence[Path], root: Path, report: Callable[[str], None]) -> None:
        self.names = {path: path.relative_to(root).as_posix() for path in paths}
        self.skipped = 0
        self.strict = len(paths) == 1
        self._report = report

    def __len__(self) -> int:
        return len(self.names)

    def read(self, load: Load, workers: int = 0, most: int = 1) -> Iterator[Frame]:
        """Frames in the order of the paths.

        Args:
            load: see ``loading.ImageLoader.load``.
            workers: threads that load images before they are asked for.
            most: images that may wait, fewer if they are large.

        Raises:
            UnreadableImage: one cannot be read and none is to be skipped, or none can be read.
        """
        found = ahead(
            lambda item: load(item[0], None), self.names.items(), workers, most, _bytes_of
        )
        for (path, name), result in found:
            try:
                loaded = result()
            except UnreadableImage as error:
                if self.strict:
                    raise
                self.skipped += 1
                self._report(f'skipped: {error}')
                continue
            yield Frame(path, name, loaded)
        if self.skipped == len(self):
            raise UnreadableImage(f'none of the {len(self)} images can be read')


def _bytes_of(loaded: dict[str, Any]) -> int:
    return loaded['img'].nbytes


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
    is_endless = False
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
        self.fps = _fps_of(capture)
        self._length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._report = report
        capture.release()

    def __len__(self) -> int:
        """The number of frames by the file's header, which may be wrong; 0 where unknown."""
        return max(self._length, 0)

    def read(self, load: Load, workers: int = 0, most: int = 1) -> Iterator[Frame]:
        """Frames until the first that cannot be decoded.

        Args:
            load: see ``loading.ImageLoader.load``.
            workers: whether a thread, never several, reads frames before they are asked for.
            most: frames that may wait, fewer if they are large.

        Raises:
            UnreadableImage: there is not a single one.
            UserError: the model's config cannot take them.
        """
        frames = self._read(load)
        found = ahead(
            lambda _: next(frames, None),
            itertools.count(),
            min(workers, 1),
            most,
            lambda frame: 0 if frame is None else 2 * frame.image.nbytes,
        )
        for _, result in found:
            frame = result()
            if frame is None:
                return
            yield frame

    def _read(self, load: Load) -> Iterator[Frame]:
        [(path, name)] = self.names.items()
        capture = cv2.VideoCapture(str(path))
        first, seconds = 0.0, -1 / self.fps
        try:
            for index in itertools.count():
                decoded, image = capture.read()
                if not decoded:
                    break
                shown = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                first = first if index else shown
                # Where the file gives no times, or they run back, frames come one after another.
                later = math.isfinite(shown) and shown - first > seconds
                seconds = shown - first if later else seconds + 1 / self.fps
                loaded = load(path, image)
                yield Frame(path, name, loaded, index, image, seconds=seconds, fps=self.fps)
        finally:
            capture.release()
        if index == 0:
            raise UnreadableImage(f'{path} is a video without a readable frame')
        if index < len(self):
            self._report(f'{path} ends after {index} of {len(self)} frames')


class Camera:
    """The frames of a camera, without end.

    Args:
        number: of the camera, as OpenCV counts them from 0.

    Raises:
        UserError: there is no such camera, or it gives no pictures.
    """

    unit = 'frame'
    is_endless = True
    skipped = 0

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        name = f'camera {number}'
        if not self._capture.isOpened():
            raise UserError(f'there is no {name}, or another program has it')
        self.names = {Path(name): name}

    def __len__(self) -> int:
        return 0  # unknown

    def read(self, load: Load) -> Iterator[Frame]:
        """Frames until the camera gives none any more; then it is free again.

        Args:
            load: see ``loading.ImageLoader.load``.
        """
        [(path, name)] = self.names.items()
        fps, started = _fps_of(self._capture), time.monotonic()
        try:
            for index in itertools.count():
                decoded, image = self._capture.read()
                if not decoded:
                    raise UserError(f'{path} gives no pictures any more, after {index}')
                now = time.monotonic()
                started = started if index else now
                loaded = load(path, image)
                yield Frame(path, name, loaded, index, image, seconds=now - started, fps=fps)
        finally:
            self._capture.release()


def _fps_of(capture: cv2.VideoCapture) -> float:
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps <= HIGHEST_FPS else FPS_WHERE_UNKNOWN


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
