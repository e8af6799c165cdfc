"""Which images a network takes: asked once, before any engine sees one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSpec:
    """The images that a network takes.

    An engine does not ask: kernels read where a channel should be, and a compiled graph where it
    was in its example.

    Attributes:
        in_channels: of an image.
        min_side: the least height and width, in pixels.
        device: where the images are; without an index, PyTorch's current one of that type.
    """

    in_channels: int
    min_side: int
    device: torch.device

    def __post_init__(self) -> None:
        # A tensor on "cuda" says that it is on "cuda:0", one on "cpu:0" that it is on "cpu".
        object.__setattr__(self, 'device', torch.empty(0, device=self.device).device)

    def checked(self, name: str, image: Tensor) -> Tensor:
        """A batch of images as engines take it: float32, row by row in memory, no gradient.

        Args:
            name: of the batch, for messages.
            image: (N, in_channels, H, W), of any float type and any strides. N may be 0.

        Raises:
            TypeError: it is no dense tensor.
            ValueError: it has another shape or type, or is on another device.
        """
        if not isinstance(image, Tensor):
            raise TypeError(f'{name} must be an image tensor, not a {type(image).__name__}')
        if image.is_nested or image.layout != torch.strided:
            kind = 'nested' if image.is_nested else str(image.layout).removeprefix('torch.')
            raise TypeError(f'{name} must be a dense image tensor, not a {kind} one')
        channels, *size = image.shape[1:] if image.ndim == 4 else (0, 0)
        fits = channels == self.in_channels and min(size) >= self.min_side
        if not fits or not image.is_floating_point():
            raise ValueError(
                f'{name} has shape {tuple(image.shape)} and type {image.dtype}; it must be '
                f'(N, {self.in_channels}, H, W) of floats, H and W at least {self.min_side}'
            )
        if image.device != self.device:
            raise ValueError(
                f'{name} is on {image.device}, and the network was optimised on {self.device}'
            )
        image = image.detach().resolve_neg().float()
        # One image that is cut out of a batch keeps the batch's strides, and compiled graphs are
        # made for strides.
        return image.reshape(-1).view(image.shape)
