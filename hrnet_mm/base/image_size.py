"""How large an image file says it is, before it is decoded, and how large is too large.

OpenCV decodes up to 2**30 pixels, and crashes where it warps an image of 2**31 bytes or more: a
black PNG of 124 kB is enough.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from hrnet_mm.base.errors import UserError

VARIABLE = 'OPENCV_IO_MAX_IMAGE_PIXELS'  # OpenCV reads it when it is imported
MOST_PIXELS = 2**28 - 1  # with 8 bytes a pixel, four channels of 16 bit, they are below 2**31 bytes
MOST_BYTES = 2**31 - 1
MOST_GARBAGE = 2**16  # bytes; OpenCV's JPEG library finds no image behind so many either


def lower_opencvs_limit() -> None:
    """Let OpenCV itself decode no larger images, unless the user has set a limit.

    The limit then holds for the hosts' loaders, too. It comes too late once OpenCV is imported.
    """
    os.environ.setdefault(VARIABLE, str(MOST_PIXELS))


class UnreadableImage(UserError):
    """A file that is no image, a damaged one, or one that is too large."""


def check_size(path: Path) -> None:
    """Make sure, before it is decoded, that an image is one that OpenCV does not crash on.

    Raises:
        UnreadableImage: it claims too many pixels, is a pipe or the like, or cannot be opened.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise UnreadableImage(f'{path} is no file')
        with path.open('rb') as file:
            width, height = claimed_size(file) or (0, 0)
    except OSError as error:
        raise UnreadableImage(f'{path} cannot be opened: {error.strerror}') from error
    most = _most_pixels()
    if width * height > most:
        raise UnreadableImage(
            f'{path} claims {width} x {height} pixels; images of more than {most} pixels are not '
            f'decoded (the environment variable {VARIABLE} changes this)'
        )


def claimed_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height by the header of a BMP, GIF, JPEG, PNG or TIFF file; else None.

    WebP, which ends at 16383 x 16383, is never too large.
    """
    start = file.read(32)
    try:
        if start.startswith(b'\x89PNG\r\n\x1a\n'):
            return struct.unpack('>II', start[16:24])
        if start.startswith(b'BM'):
            old = struct.unpack('<I', start[14:18]) == (12,)
            width, height = struct.unpack('<HH' if old else '<ii', start[18 : 22 if old else 26])
            return abs(width), abs(height)  # a negative height is of rows from top to bottom
        if start.startswith(b'GIF8'):
            return struct.unpack('<HH', start[6:10])
        if start.startswith(b'\xff\xd8'):
            return _size_of_jpeg(file)
        if start[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
            return _size_of_tiff(file, start)
    except struct.error:  # it ends too early
        pass
    return None


def _most_pixels() -> int:
    try:
        return int(os.environ[VARIABLE])
    except (KeyError, ValueError):
        return MOST_PIXELS


def _size_of_jpeg(file: BinaryIO) -> tuple[int, int] | None:
    file.seek(2)
    garbage = 0  # bytes between two segments
    while (byte := file.read(1)) and garbage < MOST_GARBAGE:
        if byte != b'\xff':
            garbage += 1
            continue
        while (marker := file.read(1)) == b'\xff':
            pass
        if marker in b'\x00\x01\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8':
            continue  # no marker, or one without a segment
        if marker in b'\xd9\xda':  # the end, or the pixels
            break
        [length] = struct.unpack('>H', file.read(2))
        if marker in b'\xc0\xc1\xc2\xc3\xc5\xc6\xc7\xc9\xca\xcb\xcd\xce\xcf':  # of the frame
            _, height, width = struct.unpack('>BHH', file.read(5))
            return width, height
        file.seek(max(length - 2, 0), os.SEEK_CUR)
    return None


def _size_of_tiff(file: BinaryIO, start: bytes) -> tuple[int, int] | None:
    """Of the first page, which is the one that is decoded."""
    order, big = ('<' if start[:1] == b'I' else '>'), b'+' in start[:4]
    entry = f'{order}HHQ8s' if big else f'{order}HHI4s'
    count = f'{order}Q' if big else f'{order}H'
    [place] = (
        struct.unpack(f'{order}Q', start[8:16]) if big else struct.unpack(f'{order}I', start[4:8])
    )
    file.seek(min(place, 2**62))
    [number] = struct.unpack(count, file.read(struct.calcsize(count)))
    sides = {256: 0, 257: 0}
    for _ in range(min(number, 2**16)):
        tag, kind, _, value = struct.unpack(entry, file.read(struct.calcsize(entry)))
        if tag in sides:  # of a tag that is there twice the larger counts
            code = {3: 'H', 4: 'I', 16: 'Q'}.get(kind, 'H')
            [side] = struct.unpack(order + code, value[: struct.calcsize(code)])
            sides[tag] = max(sides[tag], side)
    return sides[256], sides[257]
