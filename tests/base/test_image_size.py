"""The size of an image is known from its header, and what is too large is not decoded."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
import pytest
from PIL import Image

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.image_size import (
    MOST_PIXELS,
    VARIABLE,
    UnreadableImage,
    check_size,
    claimed_size,
)
from hrnet_mm.base.images import read_image
from hrnet_mm.base.inputs import find_frames
from hrnet_mm.predict.loading import ImageLoader
from tests.helpers import load_in_color, picture

WIDTH, HEIGHT = 77, 52
COLORS = picture(HEIGHT, WIDTH, seed=0)


def by_opencv(suffix: str, *options: int, image: np.ndarray = COLORS) -> bytes:
    return cv2.imencode(suffix, image, options)[1].tobytes()


def by_pillow(format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLORS).save(file, format, **options)
    return file.getvalue()


def exif_with_thumbnail() -> bytes:
    """A segment before the frame's header that holds a small JPEG with a header of its own."""
    return b'Exif\0\0' + by_opencv('.jpg', image=COLORS[:8, :8])


FILES = {
    'png': by_opencv('.png'),
    'deep png': by_opencv('.png', image=COLORS.astype(np.uint16)),
    'jpeg': by_opencv('.jpg'),
    'progressive jpeg': by_opencv('.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'jpeg with a thumbnail': by_pillow('JPEG', exif=exif_with_thumbnail()),
    'jpeg with padding': by_opencv('.jpg')[:2] + b'\0\xff\xff\xff' + by_opencv('.jpg')[3:],
    'bmp': by_opencv('.bmp'),
    'bmp from top to bottom': by_opencv('.bmp')[:22]
    + struct.pack('<i', -HEIGHT)
    + by_opencv('.bmp')[26:],
    'old bmp': b'BM' + bytes(12) + struct.pack('<IHHHH', 12, WIDTH, HEIGHT, 1, 24),
    'gif': by_pillow('GIF'),
    'tiff': by_opencv('.tif'),
    'tiff of floats': by_opencv('.tif', image=COLORS.astype(np.float32)),
    'tiff of pages': by_pillow('TIFF', save_all=True, append_images=[Image.new('L', (9, 9))]),
    'large tiff': by_pillow('TIFF', big_tiff=True),
    'tiff from the left': struct.pack('>2sHIH', b'MM', 42, 8, 2)
    + struct.pack('>HHIHH', 256, 3, 1, WIDTH, 0)
    + struct.pack('>HHII', 257, 4, 1, HEIGHT),
}


@pytest.mark.parametrize('name', FILES)
def test_sizes_of_headers_are_those_of_the_images(name: str) -> None:
    assert claimed_size(io.BytesIO(FILES[name])) == (WIDTH, HEIGHT)


@pytest.mark.parametrize('name', FILES)
def test_files_that_end_early_or_lie_have_a_size_or_none(name: str) -> None:
    data, rng = FILES[name], np.random.default_rng(0)
    for end in range(min(len(data), 400)):
        assert claimed_size(io.BytesIO(data[:end])) in (None, (WIDTH, HEIGHT), (0, 0), (WIDTH, 0))
    for _ in range(300):
        spoilt = np.frombuffer(data, np.uint8).copy()
        spoilt[rng.integers(0, min(len(data), 200), 5)] = rng.integers(0, 256, 5)
        claimed_size(io.BytesIO(spoilt.tobytes()))


@pytest.mark.parametrize('data', [b'', b'no image', by_opencv('.webp'), bytes(99), b'\xff' * 99])
def test_what_has_no_such_header_has_no_size(data: bytes) -> None:
    assert claimed_size(io.BytesIO(data)) is None


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims to be as large as this, of some hundred bytes."""
    header = b'IHDR' + struct.pack('>II', width, height) + FILES['png'][24:29]
    return FILES['png'][:12] + header + struct.pack('>I', crc32(header)) + FILES['png'][33:]


def jpeg_of(width: int, height: int) -> bytes:
    place = FILES['jpeg'].index(struct.pack('>HH', HEIGHT, WIDTH))
    sides = struct.pack('>HH', height, width)
    return FILES['jpeg'][:place] + sides + FILES['jpeg'][place + 4 :]


@pytest.mark.parametrize('make', [png_of, jpeg_of])
def test_what_is_too_large_is_named_before_it_is_decoded(
    tmp_path: Path, make: Callable[[int, int], bytes]
) -> None:
    path = tmp_path / 'a.jpg'
    path.write_bytes(make(32_000, 32_000))
    with pytest.raises(
        UnreadableImage, match=r'a\.jpg claims 32000 x 32000 pixels; images of more'
    ):
        read_image(path)
    with pytest.raises(cv2.error):  # the hosts' loaders do not ask us
        cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)


def test_the_limit_is_opencvs_own_variable(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / 'a.png'
    path.write_bytes(png_of(2**14, 2**14))
    monkeypatch.setenv(VARIABLE, str(MOST_PIXELS))
    with pytest.raises(UnreadableImage, match='16384 x 16384 pixels; .* more than 268435455'):
        check_size(path)
    monkeypatch.setenv(VARIABLE, str(2**28))
    check_size(path)
    monkeypatch.setenv(VARIABLE, 'many')
    with pytest.raises(UnreadableImage):
        check_size(path)


def test_an_array_that_opencv_crashes_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a.raw').touch()
    black = np.broadcast_to(np.float32(0), (14_000, 14_000, 3))  # of no memory
    loader = ImageLoader([lambda results: {**results, 'img': black}])
    with pytest.raises(UnreadableImage, match=r'a\.raw takes 2352000000 bytes as it is loaded'):
        loader.load(tmp_path / 'a.raw')


def test_frames_of_too_many_pixels_are_refused(video: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr('hrnet_mm.base.images.MOST_PIXELS', 64 * 48 - 1)
    with pytest.raises(UserError, match=r'clip\.mp4 has frames of 64 x 48 pixels'):
        find_frames(str(video), Path('out'), print)


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='there are no pipes')
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'a.jpg')
    (tmp_path / 'b.jpg').mkdir()
    (tmp_path / 'c.jpg').symlink_to('nowhere')
    (tmp_path / 'd.jpg').write_bytes(FILES['png'])
    frames = find_frames(str(tmp_path), Path('out'), print)
    assert [frame.name for frame in frames.read(load_in_color)] == ['d.jpg']
    with pytest.raises(UnreadableImage, match=r'a\.jpg is no file'):
        read_image(tmp_path / 'a.jpg')
    with pytest.raises(UserError, match=r'a\.jpg is neither a file nor a folder'):
        find_frames(str(tmp_path / 'a.jpg'), Path('out'), print)
