"""A model of a host, or a bare HRNet, with its backbone and neck in their fastest form."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hrnet_mm.cli import UserError
from hrnet_mm.deploy.backends.table import BACKENDS, PRECISIONS, Backend, Engine, suitable
from hrnet_mm.deploy.features import OptimizedFeatures
from hrnet_mm.deploy.parts import Parts, find_parts

# Largest difference from the model, over the largest magnitude of a map, that is still rounding.
TOLERANCES = {'fp32': 1e-4, 'bf16': 1e-1, 'fp16': 2e-2}
CUDA_TOLERANCES = TOLERANCES | {'fp32': 1e-2}  # cuDNN rounds float32 convolutions to TF32


def optimize(
    model: nn.Module, example_input: Tensor, precision: str = 'fp32', backend: str = 'auto'
) -> nn.Module:
    """The same model with an engine in place of its HRNet and neck, for inference only.

    The engine computes the same function in fewer and faster operations; what each transformation
    does and why it is exact stands in ``hrnet_mm.deploy``. Its result on ``example_input`` is
    compared with the model's before it is returned. ``predict``, ``test_step`` and the like work
    as before, with the model's own head and data preprocessor.

    Args:
        model: in eval mode: an HRNet, or a model of mmpose, mmseg, mmdet or mmpretrain whose
            ``backbone`` is one. A ``neck`` of ours is part of the engine, another one stays. The
            model is not changed; the result shares its head.
        example_input: an image (N, in_channels, H, W) as the data preprocessor gives it. The
            engine is made for this shape; others work too, see docs/speed.md.
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'``, inside the engine. Its maps are float32.
        backend: ``'native'``, ``'openvino'``, ``'onnxruntime'``, ``'inductor'``, ``'eager'`` or
            ``'cudagraph'``; ``'auto'`` takes the fastest that this machine has and warns if it
            lacks a faster one.

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
    _check_choice('precision', precision, PRECISIONS)
    _check_choice('backend', backend, ('auto', *BACKENDS))
    parts = find_parts(model)
    image = _check_image(example_input, parts.net.conv1)
    with torch.no_grad():
        expected = parts.run(image)
        if not all(torch.isfinite(x).all() for x in expected):
            raise ValueError('the model gives NaN or infinity for example_input')
        job = _Job(parts, image, precision, expected)
        chosen, engine = job.fastest() if backend == 'auto' else job.with_backend(BACKENDS[backend])
    features = OptimizedFeatures(engine, chosen.name, precision, image.device, type(expected))
    return parts.replaced_by(features)


@dataclass
class _Job:
    """A network, an example, and the maps that an engine must give for it."""

    parts: Parts
    image: Tensor
    precision: str
    expected: Sequence[Tensor]

    def with_backend(self, backend: Backend) -> tuple[Backend, Engine]:
        device = self.image.device
        reason = backend.misfit(device, self.precision) or backend.lack(device)
        if reason:
            raise UserError(f'backend={backend.name!r} {reason}')
        try:
            return backend, self._build(backend)
        except (NotImplementedError, RuntimeError, OSError) as error:
            raise UserError(f'backend={backend.name!r} cannot run the model: {error}') from error

    def fastest(self) -> tuple[Backend, Engine]:
        """The first backend that works, with one warning if a faster one is not to be had."""
        reasons = []
        for backend in suitable(self.image.device, self.precision):
            try:
                engine = self.with_backend(backend)
            except UserError as error:
                reasons.append(str(error))
                continue
            if reasons:
                warnings.warn(f'{"; ".join(reasons)}: {backend.name} is used', stacklevel=3)
            return engine
        raise UserError('; '.join(reasons))

    def _build(self, backend: Backend) -> Engine:
        engine = backend.build(self.parts.net, self.parts.neck, self.image, self.precision)
        self._check(engine(self.image))
        return engine

    def _check(self, maps: Sequence[Tensor]) -> None:
        limit = (CUDA_TOLERANCES if self.image.is_cuda else TOLERANCES)[self.precision]
        for i, (actual, expected) in enumerate(zip(maps, self.expected, strict=True)):
            difference = float((actual - expected).abs().max())
            scale = float(expected.abs().max())
            if not difference <= limit * scale:  # also where it is NaN
                raise RuntimeError(
                    f'map {i} differs by {difference:.1e} from one of up to {scale:.1e}'
                )


def _check_image(image: Tensor, stem: nn.Conv2d) -> Tensor:
    if not isinstance(image, Tensor):
        raise TypeError(f'example_input must be an image tensor, not a {type(image).__name__}')
    n, c, h, w = image.shape if image.ndim == 4 else (0, 0, 0, 0)
    if n < 1 or c != stem.in_channels or min(h, w) < 32 or not image.is_floating_point():
        raise ValueError(
            f'example_input has shape {tuple(image.shape)} and type {image.dtype}; it must be '
            f'(N, {stem.in_channels}, H, W) of floats, H and W at least 32'
        )
    return image.detach().to(stem.weight.device, torch.float32)


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in set(choices):
        raise ValueError(f'{name}={value!r} must be one of {", ".join(choices)}')
