"""A model of a host, or a bare HRNet, with its backbone and neck in their fastest form."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy.differences import largest_difference, of_odd_size, tolerance
from hrnet_mm.deploy.features import OptimizedFeatures
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.image_spec import ImageSpec
from hrnet_mm.deploy.parts import Parts, find_parts
from hrnet_mm.deploy.table import (
    BACKENDS,
    INT8,
    PRECISIONS,
    Backend,
    Engine,
    suitable_backends,
)
from hrnet_mm.kernels.cpu import computes_in
from hrnet_mm.models import HRNet

MIN_SIDE = 32  # of an image, in pixels: a network's coarsest map is 1/32 of it


def optimize(
    model: nn.Module,
    example_input: Tensor,
    precision: str = 'fp32',
    backend: str = 'auto',
    calibration: Iterable[Tensor] | None = None,
) -> nn.Module:
    """The same model with an engine in place of its HRNet and neck, for inference only.

    The engine computes the same function in fewer and faster operations; what each transformation
    does and why it is exact stands in ``hrnet_mm.deploy``. Its result on ``example_input``, for
    int8 on the first image of ``calibration``, is compared with the model's before it is returned,
    and so is that on the same image at an odd size, 33 x 47; the ``difference`` on the image
    itself is kept. ``predict``, ``test_step`` and the like work as before, with the
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
    checked(precision, backend)
    parts = find_parts(model)
    features = optimized_features(parts, example_input, precision, backend, calibration)
    return parts.replaced_by(features)


def checked(precision: str, backend: str) -> None:
    """Raise a ValueError that names what is right if there is no such precision or backend."""
    _check_choice('precision', precision, PRECISIONS)
    _check_choice('backend', backend, ('auto', *BACKENDS))


def optimized_features(
    parts: Parts,
    example_input: Tensor,
    precision: str,
    backend: str,
    calibration: Iterable[Tensor] | None = None,
) -> OptimizedFeatures:
    """What takes the place of the parts; arguments and errors are those of :func:`optimize`."""
    image = _check_image('example_input', example_input, parts.net)
    images = _check_calibration(calibration, precision, parts.net)
    if backend == 'auto' and image.device.type == 'cpu' and not computes_in(precision):
        warnings.warn(f'this CPU has no {precision} arithmetic: fp32 is used', stacklevel=3)
        precision, images = 'fp32', []
    probe = images[0] if images else image
    with torch.no_grad():
        expected = parts.run(probe)
        if not all(torch.isfinite(x).all() for x in expected):
            name = 'calibration[0]' if images else 'example_input'
            raise ValueError(f'the model gives NaN or infinity for {name}')
        job = _Job(parts, image, precision, images, probe, expected)
        built = job.fastest() if backend == 'auto' else job.with_backend(BACKENDS[backend])
    return OptimizedFeatures(
        built.engine,
        built.backend.name,
        precision,
        spec_of(parts.net),
        type(expected),
        built.difference,
    )


@dataclass
class _Built:
    """An engine of a backend, and how far its maps are from the model's."""

    backend: Backend
    engine: Engine
    difference: float


@dataclass
class _Job:
    """A network, an example, and the maps that an engine must give for ``probe``."""

    parts: Parts
    image: Tensor
    precision: str
    calibration: Sequence[Tensor]
    probe: Tensor
    expected: Sequence[Tensor]

    def with_backend(self, backend: Backend) -> _Built:
        device, precision = self.image.device, self.precision
        reason = backend.why_unsuitable(device, precision)
        reason = reason or backend.what_is_missing(device, precision)
        if reason:
            raise UserError(f'backend={backend.name!r} {reason}')
        try:
            return self._build(backend)
        except (NotImplementedError, RuntimeError, OSError) as error:
            raise UserError(f'backend={backend.name!r} cannot run the model: {error}') from error

    def fastest(self) -> _Built:
        """By the first backend that works, with one warning if a faster one is not to be had."""
        reasons = []
        for backend in suitable_backends(self.image.device, self.precision):
            try:
                built = self.with_backend(backend)
            except UserError as error:
                reasons.append(str(error))
                continue
            if reasons:
                warnings.warn(f'{"; ".join(reasons)}: {backend.name} is used', stacklevel=4)
            return built
        no_backend = f'no backend computes in {self.precision} on {self.image.device.type}'
        raise UserError('; '.join(reasons) or no_backend)

    def _build(self, backend: Backend) -> _Built:
        network = FusedHRNet(self.parts.net, self.parts.neck)
        engine = backend.build(network, self.image, self.precision, self.calibration)
        difference = self._compared(engine(self.probe), self.expected, self.probe)
        # Not every mistake shows on an image that all maps divide.
        odd = of_odd_size(self.probe)
        self._compared(getattr(engine, 'run_uncached', engine)(odd), self.parts.run(odd), odd)
        return _Built(backend, engine, difference)

    def _compared(
        self, actual: Sequence[Tensor], expected: Sequence[Tensor], image: Tensor
    ) -> float:
        difference = largest_difference(actual, expected, self.precision)
        limit = tolerance(self.precision, self.image.device)
        if not difference <= limit:  # also where it is NaN
            raise RuntimeError(
                f'a map differs by {difference:.1e} of its size, over {limit:.0e}, '
                f'on an image of {image.shape[2]} x {image.shape[3]}'
            )
        return difference


def spec_of(net: HRNet) -> ImageSpec:
    """The images that an optimised network takes."""
    return ImageSpec(net.conv1.in_channels, MIN_SIDE, net.conv1.weight.device)


def _check_image(name: str, image: Tensor, net: HRNet) -> Tensor:
    spec = spec_of(net)
    if isinstance(image, Tensor) and not image.is_meta:
        image = image.to(spec.device)
    image = spec.checked(name, image)
    if len(image) == 0:
        raise ValueError(f'{name} has shape {tuple(image.shape)}; N must be at least 1')
    return image


def _check_calibration(images: Iterable[Tensor] | None, precision: str, net: HRNet) -> list[Tensor]:
    if precision != INT8:
        if images is not None:
            raise ValueError(f"calibration is for precision='int8', not for {precision!r}")
        return []
    if not isinstance(images, Iterable | None):
        kind = type(images).__name__
        raise TypeError(f'calibration must be images, one after another, not a {kind}')
    checked = []
    for i, image in enumerate(images or ()):
        checked.append(_check_image(f'calibration[{i}]', image, net))
        if not checked[-1].isfinite().all():
            raise ValueError(f'calibration[{i}] has NaN or infinity')
    if not checked:
        raise ValueError(
            "precision='int8' needs calibration=IMAGES: about 100 images like those to come, each "
            'as example_input'
        )
    return checked


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in set(choices):
        raise ValueError(f'{name}={value!r} must be one of {", ".join(choices)}')
