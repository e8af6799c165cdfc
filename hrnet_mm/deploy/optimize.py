"""A model of a host, or a bare HRNet, with its backbone and neck in their fastest form."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.base.difference import relative_difference
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.formats import INT8, PRECISIONS
from hrnet_mm.deploy.table import BACKENDS, Backend, suitable_backends
from hrnet_mm.deploy.trunk import (
    MIN_SIDE,
    ImageSpec,
    InferenceOnly,
    OptimizedFeatures,
    Trunk,
    find_trunk,
)
from hrnet_mm.kernels.bundled import asked_instruction_set
from hrnet_mm.kernels.cpu import computes_in

# How far an engine's maps may be from the model's, see :func:`compare_maps`. Far above what a
# network that works has, and far below what a broken one has (1 for a map of zeros): a hundred
# layers in bf16, with random weights, differ by 0.08.
TOLERANCES = {'fp32': 1e-4, 'fp16': 5e-2, 'bf16': 2e-1, 'int8': 5e-1}
CUDA_TOLERANCES = TOLERANCES | {'fp32': 1e-2}  # cuDNN rounds float32 convolutions to TF32

# Held while an engine is made for a first image, so that only one is. By process: in a fork,
# nobody would ever give back what a thread of its parent held.
_LOCKS: dict[int, threading.Lock] = {}


def optimize(
    model: nn.Module,
    example_input: Tensor,
    precision: str = 'fp32',
    backend: str = 'auto',
    calibration: Iterable[Tensor] | None = None,
) -> nn.Module:
    """The same model with an engine in place of its HRNet and neck, for inference only.

    The engine computes the same function in fewer and faster operations; what each transformation
    does and why it is exact stands in ``hrnet_mm.deploy.fused``. Its result on ``example_input``,
    for int8 on the first image of ``calibration``, is compared with the model's before it is
    returned, and so is that on the same image at an odd size, 33 x 47; the ``difference`` on the
    image itself is kept. ``predict``, ``test_step`` and the like work as before, with the
    model's own head and data preprocessor.

    Args:
        model: in eval mode: an HRNet, or a model of mmpose, mmseg, mmdet or mmpretrain whose
            ``backbone`` is one. A ``neck`` of ours is part of the engine, another one stays. The
            model is not changed; the result shares its head.
        example_input: an image (N, in_channels, H, W) as the data preprocessor gives it. The
            engine is made for this shape; others work too, see docs/speed.md.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``, inside the engine. Its maps are
            float32.
        backend: ``'native'``, ``'openvino'``, ``'onnxruntime'``, ``'inductor'`` or ``'eager'``;
            ``'auto'`` takes the fastest that this machine has and warns if it lacks a faster one.
            On a CPU without arithmetic in ``precision`` that is fp32.
        calibration: for int8, and only for it: images like those to come, each as
            ``example_input``. About 100 are enough; all are held in memory.

    Raises:
        TypeError, ValueError: the model or an argument cannot be used; the message says why.
        UserError: this machine cannot run the backend asked for.

    Example:
        >>> import torch
        >>> from hrnet_mm.deploy import optimize
        >>> from hrnet_mm.models import HRNet
        >>> image = torch.rand(1, 3, 64, 64)
        >>> fast = optimize(HRNet('w18_small').eval(), image, backend='eager')
        >>> [tuple(y.shape) for y in fast(image)]
        [(1, 16, 16, 16), (1, 32, 8, 8), (1, 64, 4, 4), (1, 128, 2, 2)]
    """
    _check_choices(precision, backend)
    trunk = find_trunk(model)
    features = optimized_features(trunk, example_input, precision, backend, calibration)
    return trunk.replaced_by(features)


def optimize_on_first_image(
    model: nn.Module,
    precision: str = 'fp32',
    backend: str = 'auto',
    calibration: Iterable[Tensor] | None = None,
) -> nn.Module:
    """A copy of a model as :func:`optimize` makes it, at its first image and for that shape.

    Args:
        model, precision, backend, calibration: of ``optimize``.

    Raises:
        TypeError, ValueError: as ``optimize``. The backend is tried at the first image.
    """
    _check_choices(precision, backend)
    trunk = find_trunk(model)
    images = _checked_calibration(calibration, precision, trunk.images) or None
    return trunk.replaced_by(OnFirstImage(trunk, precision, backend, images))


class OnFirstImage(InferenceOnly):
    """Stands for the HRNet and neck of a model; has no parameters of its own."""

    features: nn.Module | None

    def __init__(
        self, trunk: Trunk, precision: str, backend: str, calibration: list[Tensor] | None
    ) -> None:
        super().__init__(trunk.images)
        # As a plain attribute: the parameters of the trunk are not this module's.
        self.__dict__['trunk'] = trunk
        self.precision = precision
        self.backend = backend
        self.calibration = calibration
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
                return self.trunk.run(image)
        with _LOCKS.setdefault(os.getpid(), threading.Lock()):
            if self.features is None:
                self.features = optimized_features(
                    self.trunk, image, self.precision, self.backend, self.calibration
                )
                self.calibration = None  # it is large, and has done its work
        return self.features(image)


def optimized_features(
    trunk: Trunk,
    example_input: Tensor,
    precision: str,
    backend: str,
    calibration: Iterable[Tensor] | None = None,
) -> OptimizedFeatures:
    """What takes the place of a trunk; arguments and errors are those of :func:`optimize`."""
    image = _checked_image('example_input', example_input, trunk.images)
    images = _checked_calibration(calibration, precision, trunk.images)
    asked_instruction_set()  # a wrong name is no reason to take another engine
    if backend == 'auto' and image.device.type == 'cpu' and not computes_in(precision):
        warnings.warn(f'this CPU has no {precision} arithmetic: fp32 is used', stacklevel=3)
        precision, images = 'fp32', []
    with torch.no_grad():
        expected = trunk.run(images[0] if images else image)
        if not all(torch.isfinite(x).all() for x in expected):
            name = 'calibration[0]' if images else 'example_input'
            raise ValueError(f'the model gives NaN or infinity for {name}')
        if backend != 'auto':
            return _built(BACKENDS[backend], trunk, image, precision, images, expected)
        reasons = []  # why the faster ones do not work
        for fastest in suitable_backends(image.device, precision):
            try:
                features = _built(fastest, trunk, image, precision, images, expected)
            except UserError as error:
                reasons.append(str(error))
                continue
            if reasons:
                warnings.warn(f'{"; ".join(reasons)}: {fastest.name} is used', stacklevel=3)
            return features
    no_backend = f'no backend computes in {precision} on {image.device.type}'
    raise UserError('; '.join(reasons) or no_backend)


def _built(
    backend: Backend,
    trunk: Trunk,
    image: Tensor,
    precision: str,
    calibration: Sequence[Tensor],
    expected: Sequence[Tensor],
) -> OptimizedFeatures:
    """The engine of one backend, compared with the trunk.

    Args:
        backend, trunk, image, precision, calibration: what the engine is built of.
        expected: the maps of the trunk for the first image of ``calibration`` or, without any, for
            ``image``.

    Raises:
        UserError: it is not for this device or precision, or this machine cannot run it.
    """
    reason = backend.why_unsuitable(image.device, precision)
    reason = reason or backend.what_is_missing(image.device, precision)
    if reason:
        raise UserError(f'backend={backend.name!r} {reason}')
    compared = calibration[0] if calibration else image
    try:
        engine = backend.build(trunk.fused(), image, precision, calibration)
        # Some mistakes show only where the maps do not divide the image. This comes first, so that
        # the engine's own numbers can lie where those for this image were.
        odd = of_odd_size(compared)
        maps = getattr(engine, 'run_uncached', engine)(odd)
        compare_maps(maps, trunk.run(odd), odd, precision)
        difference = compare_maps(engine(compared), expected, compared, precision)
    except (NotImplementedError, RuntimeError, OSError) as error:
        raise UserError(f'backend={backend.name!r} cannot run the model: {error}') from error
    return OptimizedFeatures(
        engine, backend.name, precision, trunk.images, type(expected), difference
    )


class MapsDiffer(RuntimeError):
    """Maps that differ by more than rounding.

    Attributes:
        difference: of the map that differs most.
        tolerance: how much it may be.
    """

    def __init__(self, difference: float, tolerance: float, image: Tensor) -> None:
        self.difference, self.tolerance = difference, tolerance
        super().__init__(
            f'a map differs by {difference:.1e} of its size, over {tolerance:.0e}, '
            f'on an image of {image.shape[2]} x {image.shape[3]}'
        )


def compare_maps(
    actual: Sequence[Tensor], expected: Sequence[Tensor], image: Tensor, precision: str
) -> float:
    """The difference of an engine's maps for an image to the model's.

    In fp32 it is the largest difference of a map over its largest magnitude. In a lower precision,
    where single numbers may be far off and int8 clips large ones on purpose, it is the root mean
    square of the difference over that of the map.

    Raises:
        MapsDiffer: it is larger than rounding explains, see ``TOLERANCES``, or NaN.
    """
    order = torch.inf if precision == 'fp32' else 2
    difference = relative_difference(actual, expected, order)
    tolerance = (CUDA_TOLERANCES if image.is_cuda else TOLERANCES)[precision]
    if not difference <= tolerance:  # also where it is NaN
        raise MapsDiffer(difference, tolerance, image)
    return difference


def odd_size(min_side: int) -> tuple[int, int]:
    """Height and width of a small image whose maps do not divide each other, ``(33, 47)``.

    Args:
        min_side: the shortest side that the network takes, in pixels.
    """
    return min_side + 1, min_side + 15


def of_odd_size(image: Tensor, min_side: int = MIN_SIDE) -> Tensor:
    """The first of some images (N, C, H, W) at :func:`odd_size`, (1, C, h, w)."""
    size = odd_size(min_side)
    return F.interpolate(image[:1], size=size, mode='bilinear', align_corners=False)


def _checked_image(name: str, image: Tensor, images: ImageSpec) -> Tensor:
    if isinstance(image, Tensor) and not image.is_meta:
        image = image.to(images.device)
    image = images.checked(name, image)
    if len(image) == 0:
        raise ValueError(f'{name} has shape {tuple(image.shape)}; N must be at least 1')
    return image


def _checked_calibration(
    calibration: Iterable[Tensor] | None, precision: str, images: ImageSpec
) -> list[Tensor]:
    if precision != INT8:
        if calibration is not None:
            raise ValueError(f"calibration is for precision='int8', not for {precision!r}")
        return []
    if isinstance(calibration, Tensor) or not isinstance(calibration, Iterable | None):
        kind = type(calibration).__name__
        raise TypeError(f'calibration must be a list of images, each (N, C, H, W), not a {kind}')
    checked = []
    for i, image in enumerate(calibration or ()):
        checked.append(_checked_image(f'calibration[{i}]', image, images))
        if not checked[-1].isfinite().all():
            raise ValueError(f'calibration[{i}] has NaN or infinity')
    if not checked:
        raise ValueError(
            "precision='int8' needs calibration=IMAGES: about 100 images like those to come, each "
            'as example_input'
        )
    return checked


def _check_choices(precision: str, backend: str) -> None:
    named = dict(precision=(precision, PRECISIONS), backend=(backend, ('auto', *BACKENDS)))
    for name, (value, choices) in named.items():
        if value not in choices:
            raise ValueError(f'{name}={value!r} must be one of {", ".join(choices)}')
