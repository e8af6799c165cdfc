"""The trunk of a model, its HRNet and the neck after it, and the module that takes its place.

The head of a HigherHRNet is a neck here: all its layers go with the trunk, and what is left of it
groups people.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.fused.necks import can_be_fused
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import Engine
from hrnet_mm.models import HRNet
from hrnet_mm.models.higher import HigherResolution

MIN_SIDE = 32  # of an image, in pixels: a network's coarsest map is 1/32 of it

_INHERITED: list[Engine] = []  # kept in a fork, where the end of an engine would wait for threads


@dataclass(frozen=True)
class ImageSpec:
    """The images that a network takes, checked once, before any engine sees one.

    An engine does not check: kernels read where a channel should be, and a compiled graph where it
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


@dataclass
class Trunk:
    """The part of a model that an engine or an exported file replaces.

    Attributes:
        model: the whole model; the HRNet itself where it is alone.
        net: the HRNet.
        neck: the neck that is replaced with it, or None.
        kept_neck: what the model keeps as its neck in the place of ``neck``, or None.
    """

    model: nn.Module
    net: HRNet
    neck: nn.Module | None = None
    kept_neck: nn.Module | None = None

    @property
    def images(self) -> ImageSpec:
        """The images that the network takes."""
        return ImageSpec(self.net.conv1.in_channels, MIN_SIDE, self.net.conv1.weight.device)

    def run(self, image: Tensor) -> Sequence[Tensor]:
        """Image (N, in_channels, H, W) -> the maps of the neck or, without one, of the HRNet."""
        maps = self.net(image)
        return maps if self.neck is None else self.neck(maps)

    def fused(self) -> FusedHRNet:
        """The inference form, with weights of its own."""
        return FusedHRNet(self.net, self.neck)

    def replaced_by(self, features: nn.Module) -> nn.Module:
        """A copy of the model with ``features`` as backbone; head and all else are shared."""
        if self.model is self.net:
            return features
        model = copy.copy(self.model)
        modules = dict(self.model._modules)
        del modules['backbone']
        # It is the first module, so that it refuses .half() before a shared one is changed.
        model._modules = {'backbone': features, **modules}
        if isinstance(self.neck, HigherResolution):
            model.head = self.neck.without_layers()
        elif self.neck is not None:
            model.neck = self.kept_neck
        return model


def find_trunk(model: nn.Module) -> Trunk:
    """The trunk of an HRNet or of a model whose ``backbone`` is one, in eval mode.

    Raises:
        TypeError: there is no HRNet in it.
        ValueError: it is in training mode.
    """
    net = model if isinstance(model, HRNet) else getattr(model, 'backbone', None)
    if not isinstance(net, HRNet):
        what = f'a {type(model).__name__}'
        if net is not None:
            what += f' with a {type(net).__name__} of {type(net).__module__.split(".")[0]}'
        raise TypeError(
            f'optimize takes an hrnet_mm.HRNet or a model whose backbone is one, not {what}; '
            "hrnet_mm.takeover puts it in the place of a host's own HRNet"
        )
    if any(module.training for module in model.modules()):
        raise ValueError('the model is in training mode; call model.eval() before optimize')
    neck, kept_neck = (None, None) if model is net else first_neck(model)
    return Trunk(model, net, neck, kept_neck) if can_be_fused(neck) else Trunk(model, net)


def first_neck(model: nn.Module) -> tuple[nn.Module | None, nn.Module | None]:
    """The neck that follows the backbone, and those after it; mmpretrain's models have a list.

    The head where it is HigherHRNet's and there is no neck.
    """
    neck = getattr(model, 'neck', None)
    if isinstance(neck, nn.Sequential) and len(neck) > 0:
        return neck[0], neck[1:]
    head = getattr(model, 'head', None)
    if neck is None and isinstance(head, HigherResolution):
        return head, None
    return neck, None


class InferenceOnly(nn.Module):
    """A module that stays as it was made: in eval mode, with its weights, device and types.

    The module has no parameters and buffers, and adds nothing to a state dict. Copies and pickles
    of it compute the same.

    Args:
        images: the images that it takes.
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
        """Refuse every change; ``.to()``, ``.half()`` and the like call this method."""
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
        """Refuse weights; ``load_state_dict`` calls this method, strict or not."""
        if any(key.startswith(prefix) for key in state_dict):
            raise RuntimeError(
                'an optimised network takes no weights; load them into the original model and '
                'optimise it then'
            )


class EnginePerProcess:
    """An engine, made anew in every process that is forked.

    A fork has none of the threads of its parent, which engines wait for, and no one in it ever
    gives back a lock that a thread held.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.process = os.getpid()

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        """Image (N, in_channels, H, W) -> maps."""
        if self.process != os.getpid():
            _INHERITED.append(self.engine)
            self.__init__(copy.deepcopy(self.engine))
        return self.engine(image)

    def __reduce__(self) -> tuple:
        return EnginePerProcess, (self.engine,)


class OptimizedFeatures(InferenceOnly):
    """An engine as a module. It has no parameters of its own and cannot be trained.

    Attributes:
        backend: the name of the engine's backend.
        precision: in which it computes.
        difference: of its maps to the original's on the image on which they were compared, see
            ``optimize.TOLERANCES``; None if they were not.

    Args:
        engine: the network.
        backend, precision: what it is.
        images: the images that the network takes.
        container: makes of the engine's maps what the original returned, ``tuple`` or ``list``.
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
        self.__dict__['engine'] = EnginePerProcess(engine)  # its parameters are not this module's
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
