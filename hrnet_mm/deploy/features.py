"""The module that takes the place of a backbone and its neck."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.image_spec import ImageSpec
from hrnet_mm.deploy.table import Engine

_INHERITED: list[Engine] = []  # in a fork: the end of an engine would wait for its threads


class InferenceOnly(nn.Module):
    """A module that stays as it was made: in eval mode, with its weights, device and types.

    It has no parameters and buffers, and nothing of it is in a state dict. It can be copied and
    pickled.

    Args:
        images: those that it takes.
    """

    def __init__(self, images: ImageSpec) -> None:
        super().__init__()
        self.images = images
        self.eval()

    def train(self, mode: bool = True) -> InferenceOnly:
        """Only eval mode is possible.

        Raises:
            RuntimeError: if ``mode`` is True.
        """
        if mode:
            raise RuntimeError('an optimised network cannot be trained; train the original model')
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> InferenceOnly:
        """What ``.to()``, ``.half()`` and the like call: nothing may change."""
        device = self.images.device
        moved = fn(torch.empty(0, dtype=torch.float32, device=device))
        if moved.dtype != torch.float32 or moved.device != device:
            raise RuntimeError(
                f'an optimised network stays on {device}, and its maps float32; move or convert '
                'the original model and optimise it then'
            )
        return super()._apply(fn, recurse)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """What ``load_state_dict`` calls, strict or not."""
        if any(key.startswith(prefix) for key in state_dict):
            raise RuntimeError(
                'an optimised network takes no weights; load them into the original model and '
                'optimise it then'
            )


class OfProcess:
    """An engine, made anew in every process that is forked.

    A fork has none of the threads of its parent, which engines wait for, and no one in it ever
    gives back a lock that a thread held.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.process = os.getpid()

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        if self.process != os.getpid():
            _INHERITED.append(self.engine)
            self.__init__(copy.deepcopy(self.engine))
        return self.engine(image)

    def __reduce__(self) -> tuple:
        return OfProcess, (self.engine,)


class OptimizedFeatures(InferenceOnly):
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
        super().__init__(images)
        self.__dict__['engine'] = OfProcess(engine)  # its parameters are not this module's
        self.backend = backend
        self.precision = precision
        self.container = container
        self.difference = difference

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        """(N, in_channels, H, W) -> the maps of the neck or, without one, of the backbone.

        Args:
            image: of any float type and any strides. N may be 0, and the maps are empty then.

        Raises:
            TypeError, ValueError: the network takes no such image.
            RuntimeError: ``torch.jit.trace`` or an ONNX exporter records the call.
        """
        if torch.jit.is_tracing():  # which would keep the maps of its example for all images
            raise RuntimeError(
                'an optimised network cannot be traced; trace the original model, or let '
                'tools/export.py write it'
            )
        image = self.images.checked('the image', image)
        batch = image if len(image) else image.new_zeros(1, *image.shape[1:])  # no engine takes 0
        device = self.images.device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):  # it has its precision
            maps = self.engine(batch)
        # Some heads' operators, such as mmcv's deformable convolution, take no other layout.
        return self.container(x[: len(image)].contiguous() for x in maps)

    def extra_repr(self) -> str:
        return f'backend={self.backend!r}, precision={self.precision!r}'
