"""What the network of a model gets for an image, through the host's own pipeline: export needs it.

The network is backbone and neck; its input (N, in_channels, H, W) is a normalised image.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hrnet_mm.base.boxes import boxes_by_frame
from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.images import Frame, ImageFiles
from hrnet_mm.base.inputs import find_frames
from hrnet_mm.predict.host_model import HostModel

NOISE_SIZE = (480, 640)  # height and width of the picture that the default example is made of
MOST_IMAGES = 100  # held in memory; more hardly change the steps of int8

TOP_DOWN = 'TopdownPoseEstimator'  # mmpose's, which need not be installed


class _InputIsKnown(BaseException):  # no error, which a prediction would explain
    """Ends a prediction once the network's input is known."""


def default_example(model: HostModel, channels: int) -> Tensor:
    """The network's input (1, channels, H, W) for a picture of noise of 640 x 480.

    Args:
        model: of any host.
        channels: of the network's input; the picture has as many.

    Raises:
        UserError: the config's test pipeline does not take such a picture.
    """
    path, mean = Path('noise.png'), getattr(model.module.data_preprocessor, 'mean', None)
    # Around zero once it is normalised, as pictures are.
    depth = np.uint8 if mean is None or mean.max() < 256 else np.uint16
    numbers = np.random.default_rng(0).integers(
        0, np.iinfo(depth).max + 1, (*NOISE_SIZE, channels), depth
    )
    noise = numbers[..., 0] if channels == 1 else numbers
    remedy = 'name the size of the images with --size HxW'
    try:
        image = network_input(model, Frame(path, path.name, model.loader.loaded(path, noise)))
    except Exception as error:
        raise UserError(
            f'the test pipeline of the config fails on a picture of noise of {channels} channels '
            f'({sentence_of(error)}); {remedy}'
        ) from error
    if image.shape[1] != channels:
        raise UserError(
            f'the test pipeline of the config makes {image.shape[1]} channels of a picture of '
            f'{channels}, which the network takes; {remedy}'
        )
    return image


def noise_of_size(channels: int, size: tuple[int, int]) -> Tensor:
    """An example (1, channels, H, W), always the same."""
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))


def network_input(model: HostModel, frame: Frame, box: np.ndarray | None = None) -> Tensor:
    """What the backbone gets first when the model predicts on a frame: (N, in_channels, H, W).

    Args:
        model: of any host.
        frame: the image.
        box: where a top-down pose model looks, x, y, w, h (and score) in pixels. Default: at the
            whole image.
    """
    seen: list[Tensor] = []

    def keep(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])
        raise _InputIsKnown

    height, width = frame.image.shape[:2]
    x, y, w, h = (0, 0, width, height) if box is None else box[:4]
    place = {'bbox': np.float32([[x, y, x + w, y + h]]), 'bbox_score': np.float32([1])}
    handle = model.module.backbone.register_forward_pre_hook(keep)
    try:
        list(model.predict([frame.loaded | place], batch_size=1))
    except _InputIsKnown:
        pass
    finally:
        handle.remove()
    return seen[0]


def calibration_files(folder: Path) -> ImageFiles:
    """The images of a folder, at most ``MOST_IMAGES``, evenly chosen.

    Raises:
        UserError: there is no image in it.
    """
    found = find_frames(str(folder), Path(os.devnull), _ignore)
    paths = list(found.names)
    return ImageFiles(paths[:: -(-len(paths) // MOST_IMAGES)], folder, _warn)


class Calibration:
    """The network's inputs (1, in_channels, H, W) for images, as often as they are asked for.

    Args:
        model: of any host.
        images: the files.
        boxes: of a top-down pose model: a file as ``infer`` takes it; of every image the first
            box is looked at, an image without any is left out. Default: the whole images.

    Raises:
        UserError: the file of boxes is wrong or has none in any of the images, or the model looks
            at whole images.
    """

    def __init__(self, model: HostModel, images: ImageFiles, boxes: Path | None = None) -> None:
        self.model = model
        self.images = images
        self.boxes_of = None if boxes is None else boxes_by_frame(boxes, images, _ignore)
        kinds = {kind.__name__ for kind in type(model.module).mro()}
        if boxes is not None and TOP_DOWN not in kinds:
            raise UserError('--boxes is for top-down pose models; this one looks at whole images')

    def __iter__(self) -> Iterator[Tensor]:
        is_empty = True
        for frame in self.images.read(self.model.loader.load):
            boxes = [None] if self.boxes_of is None else self.boxes_of([frame])[0][:1]
            for box in boxes:
                is_empty = False
                yield network_input(self.model, frame, box)
        if is_empty:
            raise UserError('--boxes has no box in any image of --calibration')


def _ignore(line: str) -> None:
    """A file that is no image, and an image that has no box, are left out."""


def _warn(line: str) -> None:
    """An image that cannot be read is left out, too, but was meant to be one."""
    warnings.warn(f'--calibration: {line}', stacklevel=2)
