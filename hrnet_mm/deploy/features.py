"""The module that takes the place of a backbone and its neck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.backends.table import Engine
from hrnet_mm.deploy.image_spec import ImageSpec


class OptimizedFeatures(nn.Module):
    """An engine as a module. It has no parameters of its own and cannot be trained.

    Attributes:
        backend: the name of the engine's backend.
        precision: in which it computes.
        difference: of its maps to the original's on the image on which they were compared, by
            ``hrnet_mm.deploy.differences``; None if they were not.

    Args:
        engine: the network.
        backend, precision: what it is.
        images: those that the network takes.
        container: makes what the original returned of the engine's tuple of maps.
    """

    def __init__(
        self,
        engine: Engine,
        backend: str,
        precision: str,
        images: ImageSpec,
        container: Callable[[Iterable[Tensor]], Sequence[Tensor]],
        difference: float | None = None,
    ) -> None:
        super().__init__()
        self.__dict__['engine'] = engine  # its parameters are not this module's
        self.backend = backend
        self.precision = precision
        self.images = images
        self.container = container
        self.difference = difference
        self.eval()

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """(N, in_channels, H, W) -> the maps of the neck or, without one, of the backbone.

        Args:
            image: of any float type and any strides.

        Raises:
            TypeError, ValueError: the network takes no such image.
        """
        image = self.images.checked('the image', image)
        with torch.no_grad():
            maps = self.engine(image)
        # Some heads' operators, such as mmcv's deformable convolution, take no other layout.
        return self.container(x.contiguous() for x in maps)

    def train(self, mode: bool = True) -> OptimizedFeatures:
        """Only eval mode is possible.

        Raises:
            RuntimeError: if ``mode`` is True.
        """
        if mode:
            raise RuntimeError('an optimised network cannot be trained; train the original model')
        return super().train(mode)

    def extra_repr(self) -> str:
        return f'backend={self.backend!r}, precision={self.precision!r}'
