"""Loads images as a model's config does, so that they are like those the model was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile

from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.image_size import MOST_BYTES, UnreadableImage, check_size
from hrnet_mm.base.images import Frame, read_image

Step = Callable[[dict[str, Any]], dict[str, Any] | None]

HOSTS = ('mmcv', 'mmdet', 'mmpose', 'mmpretrain', 'mmseg')
FROM_MEMORY = 'LoadImageFromNDArray'  # of mmdet and mmseg; opens no file
PACKAGES = {'pillow': 'PIL', 'tifffile': 'tifffile', 'turbojpeg': 'turbojpeg'}  # mmcv's backends


class ImageLoader:
    """The first steps of a test pipeline, up to the one that opens the image file.

    The step that opens the file is the first that is mmcv's ``LoadImageFromFile`` or derived from
    it, or has a name like ``LoadTiffImage``; without such a step, it is the first of all.

    Attributes:
        steps: for example a ``LoadImageFromFile`` alone.

    Args:
        pipeline: all steps of the test pipeline, at least one.

    Raises:
        UserError: images are to be decoded by a package that is not installed.
    """

    def __init__(self, pipeline: Sequence[Step]) -> None:
        last = next((i for i, step in enumerate(pipeline) if _loads_images(step)), 0)
        self.steps = pipeline[: last + 1]
        backend = getattr(self.steps[-1], 'imdecode_backend', None)
        package = PACKAGES.get(backend)
        if package and find_spec(package) is None:
            raise UserError(
                f'the config decodes images with imdecode_backend={backend!r}, for which the '
                f'package {package} is not installed'
            )

    def load(self, path: Path, decoded: np.ndarray | None = None) -> dict[str, Any]:
        """Load an image as the config does.

        Args:
            path: the file.
            decoded: a frame of a video, (H, W, 3) uint8 BGR, which is taken in the file's place.

        Returns:
            What the later steps of the pipeline take; ``img`` is (H, W) or (H, W, C).

        Raises:
            UnreadableImage: the file cannot be opened, or not decoded, or is too large, or the
                steps give no image.
            UserError: the steps cannot take a frame of a video.
        """
        if decoded is None and _name_of(self.steps[-1]) == FROM_MEMORY:
            decoded = read_image(path)
        if decoded is not None:
            return self.loaded(path, self._as_loaded(path, decoded))
        check_size(path)
        results: dict[str, Any] | None = {'img_path': str(path), 'img_id': 0}
        for step in self.steps:
            try:
                results = step(results)
            except Exception as error:
                raise UnreadableImage(_why(path, step, error)) from error
            if results is None:  # ignore_empty=True
                raise UnreadableImage(f'{path} cannot be read as an image')
        self._check(path, results.get('img'))
        return results

    def load_pixels(self, path: Path, pixels: np.ndarray) -> dict[str, Any]:
        """Load an array as the config does a PNG file of these pixels.

        Args:
            path: what the array is called.
            pixels: (H, W), (H, W, 3) BGR or (H, W, 4), uint8 or uint16; float32 as a TIFF file.

        Raises:
            UnreadableImage: the steps cannot take it, or it is too large.
        """
        if self._is_as_decoded(pixels):
            return self.loaded(path, pixels)
        if pixels.nbytes > MOST_BYTES:
            raise UnreadableImage(
                f'{path} takes {pixels.nbytes} bytes, at most {MOST_BYTES} can be'
            )
        is_float = pixels.dtype == np.float32
        if is_float and getattr(self.steps[-1], 'color_type', 'unchanged') != 'unchanged':
            raise UnreadableImage(
                f'{path} holds float32; the config loads images of uint8, 0 to 255, or uint16'
            )
        # How OpenCV or Pillow makes one form of another only they know: the file is written.
        with TemporaryDirectory(prefix='hrnet_mm-') as folder:
            file = Path(folder, f'array{".tif" if is_float else ".png"}')
            options = () if is_float else (cv2.IMWRITE_PNG_COMPRESSION, 1)
            try:
                cv2.imencode(file.suffix, pixels, options)[1].tofile(file)
                loaded = self.load(file)
            except cv2.error as error:
                raise UnreadableImage(f'{path}, {pixels.shape}, is no image to OpenCV') from error
            except UnreadableImage as error:
                raise UnreadableImage(str(error).replace(str(file), str(path))) from error
        return {**loaded, 'img_path': str(path)}

    def load_again(self, frame: Frame) -> dict[str, Any]:
        """Load what another loader, perhaps of another config, has loaded."""
        if frame.pixels is not None:
            return self.load_pixels(frame.path, frame.pixels)
        return self.load(frame.path, frame.decoded)

    @property
    def turns_upright(self) -> bool:
        """Whether the steps turn an image by its EXIF orientation."""
        return getattr(self.steps[-1], 'color_type', 'color') in ('color', 'grayscale')

    def loaded(self, path: Path, image: np.ndarray) -> dict[str, Any]:
        """Return what the steps would give of a file that holds this image, (H, W) or (H, W, C)."""
        if getattr(self.steps[-1], 'to_float32', False):
            image = image.astype(np.float32)
        size = image.shape[:2]
        return dict(img=image, img_path=str(path), img_id=0, img_shape=size, ori_shape=size)

    def _as_loaded(self, path: Path, decoded: np.ndarray) -> np.ndarray:
        """Convert a frame of a video as the steps would load it from a file of its own.

        Raises:
            UserError: the steps need a file.
        """
        step = self.steps[-1]
        if not self._is_hosts_own:
            raise UserError(
                f'{path}: {_name_of(step)}, by which the config loads images, opens files; '
                'frames of a video cannot go through it'
            )
        if step.color_type == 'unchanged':
            raise UserError(
                f"{path}: the config loads images with color_type='unchanged', of the channels and "
                'the depth of their files; if those were 8 bit colour, as frames of a video are, '
                'say --cfg-options test_dataloader.dataset.pipeline.0.color_type=color'
            )
        if step.color_type.startswith('grayscale'):
            return cv2.cvtColor(decoded, cv2.COLOR_BGR2GRAY)
        return decoded

    @property
    def _is_hosts_own(self) -> bool:
        """Whether a host's own ``LoadImageFromFile``, alone, loads images."""
        step = self.steps[-1]
        return (
            len(self.steps) == 1
            and isinstance(step, LoadImageFromFile)
            and type(step).transform.__module__.split('.')[0] in HOSTS
        )

    def _is_as_decoded(self, pixels: np.ndarray) -> bool:
        """Whether a PNG file of these pixels is loaded as they are."""
        step = self.steps[-1]
        return (
            (pixels.dtype, pixels.ndim, pixels.shape[2:]) == (np.uint8, 3, (3,))
            and pixels.nbytes <= MOST_BYTES
            and self._is_hosts_own
            and step.color_type in ('color', 'color_ignore_orientation')
            and step.imdecode_backend == 'cv2'
        )

    def _check(self, path: Path, image: Any) -> None:
        if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
            found = f'an array {image.shape}' if isinstance(image, np.ndarray) else type(image)
            raise UnreadableImage(
                f'{path} cannot be read as an image: {", ".join(map(_name_of, self.steps))} of the '
                f'test pipeline give {found}, nothing of the form (H, W, C)'
            )
        if not 0 < image.nbytes <= MOST_BYTES:
            raise UnreadableImage(
                f'{path} takes {image.nbytes} bytes as it is loaded, for OpenCV more than 0 and '
                f'at most {MOST_BYTES}'
            )


def _loads_images(step: Step) -> bool:
    name = _name_of(step)
    return isinstance(step, LoadImageFromFile) or (name.startswith('Load') and 'Image' in name)


def _name_of(step: Step) -> str:
    return getattr(step, '__name__', type(step).__name__)


def _why(path: Path, step: Step, error: Exception) -> str:
    """The message for a step that fails; mmcv's own on damaged files would say nothing more."""
    if isinstance(error, OSError) and error.strerror:
        return f'{path} cannot be opened: {error.strerror}'
    if isinstance(error, AssertionError | cv2.error):
        return f'{path} cannot be read as an image'
    return f'{path} cannot be read as an image by {_name_of(step)}: {sentence_of(error)}'
