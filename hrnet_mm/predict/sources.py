"""What a model can be called with, as frames: files, arrays, addresses, a camera."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.download import file_name
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.image_size import UnreadableImage
from hrnet_mm.base.images import VIDEO_SUFFIXES, Frame, ImageFiles
from hrnet_mm.base.inputs import Input, find_input, is_address
from hrnet_mm.predict.loading import ImageLoader
from hrnet_mm.predict.results import report

NOWHERE = Path(os.devnull)  # where results go: no image lies there
ORDERS = ('bgr', 'rgb')
KINDS = (
    'a path, an http(s) address, an array (H, W, 3), an image of Pillow, '
    'a folder, a glob, a video, a list of these, or the number of a camera'
)
# Pillow's modes that a PNG file holds as they are; others become RGB.
GREY_MODES = {'1': 'L', 'L': 'L', 'I;16': 'I;16', 'I;16L': 'I;16', 'I;16B': 'I;16'}
WITH_ALPHA = ('RGBA', 'LA', 'PA', 'RGBa', 'La')


@dataclass(frozen=True)
class Source:
    """Frames to predict on.

    Attributes:
        frames: in order; each is loaded when it is asked for.
        is_single: it is one image, of which there is one result and no list.
        is_endless: it is a camera.
    """

    frames: Iterator[Frame]
    is_single: bool = False
    is_endless: bool = False


def open_source(source: Any, loader: ImageLoader, channel_order: str, skip: bool | None) -> Source:
    """Find what is meant, and make sure that it is there.

    Args:
        source: see ``model.Model.__call__``.
        loader: of the model's config.
        channel_order: of arrays, ``'bgr'`` or ``'rgb'``.
        skip: leave out, with a line on stderr, what cannot be read. Default: of a folder or a glob.

    Raises:
        UserError: it is nothing that can be looked at, or is not there.
    """
    if channel_order not in ORDERS:
        raise UserError(f'channel_order={channel_order!r} is not {" or ".join(map(repr, ORDERS))}')
    if isinstance(source, str | Path | int) and not isinstance(source, bool):
        return _of_path(source, loader, bool(skip is None or skip))
    is_single = _is_picture(source)
    if not is_single and (hasattr(source, 'shape') or not isinstance(source, Iterable)):
        raise UserError(f'a model takes {KINDS}, not a {type(source).__name__}')
    if isinstance(source, dict | bytes):
        raise UserError(f'a model takes {KINDS}, not {type(source).__name__}')
    pictures = Pictures(loader, channel_order, bool(skip) and not is_single)
    return Source(pictures.read([source] if is_single else source, is_single), is_single)


def _of_path(source: str | Path | int, loader: ImageLoader, skip: bool) -> Source:
    if not str(source):
        raise UserError(f'the path is empty; a model takes {KINDS}')
    found = _find(source)
    is_folder = isinstance(found, ImageFiles) and not Path(source).expanduser().is_file()
    if is_folder and not skip:
        found.strict = True
    is_single = found.unit == 'image' and not is_folder
    return Source(found.read(loader.load), is_single, found.is_endless)


def _find(source: str | Path | int) -> Input:
    found = find_input(source, NOWHERE, report)
    if is_address(source):  # which says more than the file's name alone
        found.names = dict.fromkeys(found.names, str(source))
    return found


class Pictures:
    """What is in a list, as frames: images, and all that a path or an address may mean.

    Args:
        loader: of the model's config.
        channel_order: of arrays.
        skip: leave out what cannot be read.
    """

    def __init__(self, loader: ImageLoader, channel_order: str, skip: bool) -> None:
        self._loader = loader
        self._channel_order = channel_order
        self._skip = skip

    def read(self, items: Iterable[Any], is_single: bool = False) -> Iterator[Frame]:
        """Frames in the order of the items.

        Raises:
            UnreadableImage: one cannot be read, and none is to be left out.
            UserError: one is no image, but something else.
        """
        for number, item in enumerate(items):
            try:
                if _holds_several(item):
                    yield from self._of_several(item)
                else:
                    name = 'array' if is_single else f'array {number}'
                    yield replace(self._frame(item, name), number=number)
            except UnreadableImage as error:
                if not self._skip:
                    raise
                report(f'skipped: {error}')

    def _of_several(self, item: str | Path) -> Iterator[Frame]:
        found = _find(item)
        if isinstance(found, ImageFiles):
            found.strict = not self._skip
        yield from found.read(self._loader.load)

    def _frame(self, item: Any, name: str) -> Frame:
        if is_address(item):
            [frame] = _find(item).read(self._loader.load)
            return frame
        if isinstance(item, str | Path):
            path = Path(item).expanduser()
            return Frame(path, path.as_posix(), self._loader.load(path))
        if isinstance(item, np.ndarray):
            pixels = as_bgr(item, self._channel_order)
        elif _is_pillow(item):
            name = _name_of(item, name)
            pixels = bgr_of_pillow(item, self._loader.turns_upright)
        else:
            raise UserError(f'a list is of images, not of a {type(item).__name__}')
        path = Path(name)
        return Frame(path, str(name), self._loader.load_pixels(path, pixels), pixels=pixels)


def _holds_several(item: Any) -> bool:
    """Whether it is a folder, a glob or a video."""
    if not isinstance(item, str | Path):
        return False
    if is_address(item):
        return Path(file_name(item)).suffix.lower() in VIDEO_SUFFIXES
    path = Path(item).expanduser()
    if path.is_file() or not has_magic(str(item)):
        return path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES
    return True


def as_bgr(image: np.ndarray, channel_order: str = 'bgr') -> np.ndarray:
    """A copy of an array as OpenCV has images: (H, W), or (H, W, 3 or 4) with blue first.

    Raises:
        UserError: it is no image.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if not image.size or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,), (4,)):
        raise UserError(
            f'an array {image.shape} is no image, which is (H, W, 3), (H, W, 4) or, grey, (H, W)'
        )
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise UserError(
            f'an array of {image.dtype} is no image; as files do, arrays hold uint8, 0 to 255, or '
            'uint16'
        )
    if channel_order == 'rgb' and image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    return np.array(image, order='C')


def bgr_of_pillow(image: Any, upright: bool) -> np.ndarray:
    """An image of Pillow as OpenCV has it, turned by its EXIF orientation if it is to be.

    Raises:
        UnreadableImage: its file is damaged, which Pillow finds out only now.
        UserError: it is deeper than 16 bits.
    """
    from PIL import ImageOps  # who has such an image has Pillow

    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableImage(f'{_name_of(image)} cannot be read by Pillow: {error}') from error
    if upright:
        image = ImageOps.exif_transpose(image)
    if image.mode in GREY_MODES:
        grey = image.convert(GREY_MODES[image.mode]) if image.mode == '1' else image
        return as_bgr(np.asarray(grey).astype('uint16' if '16' in grey.mode else 'uint8'))
    if image.mode in ('I', 'F'):
        raise UserError(f"an image of Pillow's mode {image.mode!r} is not 8 or 16 bits deep")
    has_alpha = image.mode in WITH_ALPHA or 'transparency' in image.info
    return as_bgr(np.asarray(image.convert('RGBA' if has_alpha else 'RGB')), 'rgb')


def _name_of(image: Any, otherwise: str = 'an image') -> str:
    """The file that an image of Pillow was opened from, if it was one."""
    return str(getattr(image, 'filename', '') or otherwise)


def _is_picture(source: Any) -> bool:
    return isinstance(source, np.ndarray) or _is_pillow(source)


def _is_pillow(source: Any) -> bool:
    module = sys.modules.get('PIL.Image')  # Pillow need not be installed
    return module is not None and isinstance(source, module.Image)
