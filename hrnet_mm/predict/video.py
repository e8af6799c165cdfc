"""Writing videos that browsers play: H.264 by PyAV where it is installed, else what OpenCV writes.

The pixels are yuv420p, the index stands at the file's beginning (faststart), and odd sizes are
padded to even ones, as H.264 has no others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from hrnet_mm.base.errors import UserError

FPS_OF_NTSC = 1001  # the largest denominator of rates that are in use: 29.97 is 30000 / 1001
TICKS = 100  # of the clock, between two frames
ON_TIME = 0.001  # seconds; containers such as Matroska round the times of frames to this
LONGEST_STILL = 10  # seconds that OpenCV repeats a frame for, where the times have a gap
REMEDY = "pip install 'hrnet_mm[video]'"
# PyAV's encoders and their options, the best first. Thin lines need a little more than the
# default quality; the fast preset takes half the time of the default, and the files are no larger.
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    'libx264': ('H.264', {'preset': 'veryfast', 'crf': '20'}),
    'libopenh264': ('H.264', {'b': '8000000'}),
    'h264_videotoolbox': ('H.264', {'b': '8000000'}),
    'h264_mf': ('H.264', {'b': '8000000'}),
    'libvpx-vp9': ('VP9', {'deadline': 'realtime', 'cpu-used': '8', 'crf': '28', 'b': '0'}),
}
OF_BROWSERS = ('H.264', 'VP9')


class Writer(Protocol):
    """A video that is being written.

    Attributes:
        codec: ``'H.264'``, ``'VP9'`` or ``'MPEG-4'``.
    """

    codec: str

    def write(self, image: np.ndarray, seconds: float | None) -> None:
        """Add a frame (H, W, 3) uint8 BGR, shown so long after the first; None: after the last."""

    def close(self) -> None:
        """Finish the file; without it, it is no video."""


def open_video(
    path: Path, fps: float, size: tuple[int, int], report: Callable[[str], None]
) -> Writer:
    """Begin a video.

    Args:
        path: the file, ``.mp4``.
        fps: frames per second.
        size: height and width of all frames.
        report: takes a sentence where the video will not be H.264.

    Raises:
        UserError: nothing that is installed can write it.
    """
    even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    writer = _by_pyav(path, fps, even)
    because = 'as the PyAV that is installed has no encoder for H.264'
    if writer is None:
        writer = _by_opencv(path, fps, even)
        because = f'as OpenCV writes it; {REMEDY} writes H.264'
    if writer is None:
        raise UserError(
            f'neither PyAV nor OpenCV can write a video of {size[1]} x {size[0]} pixels to '
            f'{path.parent}; {REMEDY}, or try --no-draw'
        )
    if writer.codec != 'H.264':
        plays = '' if writer.codec in OF_BROWSERS else ', which browsers do not play'
        report(f'drawn videos are {writer.codec}{plays}, {because}')
    return writer


class PyAvWriter:
    """A video by PyAV, with the times of its frames.

    Args:
        path: the file.
        fps: frames per second; frames that come at this rate are written at it exactly.
        size: height and width, even.
        encoder: one of ``ENCODERS``.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int], encoder: str) -> None:
        import av

        self.codec, options = ENCODERS[encoder]
        self._size = size
        self._rate = rate_of(fps)
        self._time_base = 1 / (self._rate * TICKS)
        self._ticks = -TICKS  # of the last frame
        self._count = 0
        self._container = av.open(str(path), 'w', 'mp4', options={'movflags': '+faststart'})
        self._stream = self._container.add_stream(encoder, rate=self._rate, options=options)
        _set_up(self._stream.codec_context, size)
        self._stream.codec_context.time_base = self._time_base

    def write(self, image: np.ndarray, seconds: float | None) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(_of_size(image, self._size), format='bgr24')
        frame = frame.reformat(format='yuv420p')
        self._ticks = max(self._ticks + 1, self._ticks_at(seconds))
        frame.pts, frame.time_base = self._ticks, self._time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            if self._count:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _ticks_at(self, seconds: float | None) -> int:
        if seconds is None:
            return self._ticks + TICKS
        if abs(seconds - self._count / self._rate) <= ON_TIME:
            return self._count * TICKS
        return round(seconds / self._time_base)


class OpenCvWriter:
    """A video by OpenCV, at a constant rate: frames are repeated until the next one is due.

    Args:
        opened: of OpenCV.
        codec: see ``Writer``.
        fps: frames per second.
        size: height and width, even.
    """

    def __init__(
        self, opened: cv2.VideoWriter, codec: str, fps: float, size: tuple[int, int]
    ) -> None:
        self.codec = codec
        self._opened = opened
        self._fps = fps
        self._size = size
        self._count = 0
        self._last: np.ndarray | None = None

    def write(self, image: np.ndarray, seconds: float | None) -> None:
        due = self._count if seconds is None else round(seconds * self._fps)
        image = _of_size(image, self._size)
        for _ in range(min(due - self._count, round(LONGEST_STILL * self._fps))):
            self._opened.write(self._last)
            self._count += 1
        self._opened.write(image)
        self._count += 1
        self._last = image

    def close(self) -> None:
        self._opened.release()


def rate_of(fps: float) -> Fraction:
    """Frames per second as a fraction: 30000/1001 of 29.97, or of 29.970029970029970."""
    ntsc = Fraction(round(fps) * 1000, FPS_OF_NTSC)
    return ntsc if abs(fps - ntsc) < 0.003 else Fraction(fps).limit_denominator(FPS_OF_NTSC)


def _by_pyav(path: Path, fps: float, size: tuple[int, int]) -> PyAvWriter | None:
    encoder = next((name for name in ENCODERS if _can_encode(name, size)), None)
    return None if encoder is None else PyAvWriter(path, fps, size, encoder)


def _can_encode(encoder: str, size: tuple[int, int]) -> bool:
    """Whether PyAV is there with an encoder, and the encoder opens for a size."""
    try:
        import av
    except ImportError:  # also of one whose libraries do not fit this system
        return False
    try:
        context = av.CodecContext.create(encoder, 'w')
        _set_up(context, size)
        context.time_base = Fraction(1, 25)
        context.open()
    except Exception:  # of classes that differ between the versions of PyAV
        return False
    return True


def _set_up(context: Any, size: tuple[int, int]) -> None:
    context.height, context.width = size
    context.pix_fmt = 'yuv420p'
    # As frames are converted, which players would otherwise guess by the size: of ITU-R BT.601.
    context.colorspace, context.color_range = 6, 1


def _by_opencv(path: Path, fps: float, size: tuple[int, int]) -> OpenCvWriter | None:
    for tag, codec in (('avc1', 'H.264'), ('mp4v', 'MPEG-4')):
        writer = cv2.VideoWriter()
        with _silent():
            opened = writer.open(str(path), cv2.VideoWriter_fourcc(*tag), fps, size[::-1])
        if opened:
            return OpenCvWriter(writer, codec, fps, size)
    return None


@contextmanager
def _silent() -> Iterator[None]:
    """OpenCV's libraries say on descriptor 2, in many lines, which encoders there are not."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _of_size(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image with its last row and column repeated, so that it is of an even size."""
    below, right = size[0] - image.shape[0], size[1] - image.shape[1]
    if not (below or right):
        return np.ascontiguousarray(image)
    return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
