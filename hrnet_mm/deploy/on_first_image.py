"""A model that is optimised when its first image comes, and so for that image's shape."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.features import InferenceOnly
from hrnet_mm.deploy.optimize import checked, optimized_features, spec_of
from hrnet_mm.deploy.parts import Parts, find_parts

# Held while an engine is made, so that only one is. By process: in a fork, nobody would ever give
# back what a thread of its parent held.
_LOCKS: dict[int, threading.Lock] = {}


def optimize_on_first_image(
    model: nn.Module, precision: str = 'fp32', backend: str = 'auto'
) -> nn.Module:
    """A copy of a model as ``hrnet_mm.deploy.optimize`` makes it, without an example.

    Args:
        model, precision, backend: of ``optimize``; not int8, which needs images to choose by.

    Raises:
        TypeError, ValueError: as ``optimize``. The backend is tried at the first image.
    """
    checked(precision, backend)
    parts = find_parts(model)
    return parts.replaced_by(OnFirstImage(parts, precision, backend))


class OnFirstImage(InferenceOnly):
    """Stands for the HRNet and neck of a model; has no parameters of its own."""

    features: nn.Module | None

    def __init__(self, parts: Parts, precision: str, backend: str) -> None:
        super().__init__(spec_of(parts.net))
        # As a plain attribute: the parameters of the parts are not this module's.
        self.__dict__['parts'] = parts
        self.precision = precision
        self.backend = backend
        self.register_module('features', None)

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """(N, in_channels, H, W) -> the maps of the neck or, without one, of the backbone.

        Args:
            image: see ``OptimizedFeatures``. An empty batch is no first image yet.

        Raises:
            TypeError, ValueError: the network takes no such image.
            UserError: at the first image, if this machine cannot run the backend.
        """
        image = self.images.checked('the image', image)
        if self.features is None and len(image) == 0:
            with torch.no_grad():
                return self.parts.run(image)
        with _LOCKS.setdefault(os.getpid(), threading.Lock()):
            if self.features is None:
                self.features = optimized_features(self.parts, image, self.precision, self.backend)
        return self.features(image)
