"""What the machine can do at best, measured, and what a network asks of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.candidates import dtype_of
from benchmark.timing import seconds_of
from papers.count import count_model

MATMUL_SIDE = dict(cpu=2048, cuda=8192)
COPY_BYTES = dict(cpu=2**28, cuda=2**30)  # far above any cache
SECONDS = 1.0
TRAINING_PASSES = 3  # forward, gradient of the input, gradient of the weights: equal work


@dataclass(frozen=True)
class Peaks:
    """Arithmetic operations a second by precision, and bytes a second of a copy."""

    operations: dict[str, float]
    bytes: float


@dataclass(frozen=True)
class Layer:
    """A convolution's floating-point operations, and the numbers that it reads and writes."""

    operations: int
    numbers: int


@dataclass(frozen=True)
class Work:
    """What one call asks for.

    Attributes:
        params: of the network.
        operations: floating-point operations, two for a multiply-add.
        layers: the convolutions of the forward pass.
        passes: over every layer: 1, or 3 in training.
    """

    params: int
    operations: int
    layers: tuple[Layer, ...]
    passes: int

    def least_seconds(self, peaks: Peaks, precision: str) -> float | None:
        """The roofline: every layer at the machine's arithmetic or memory limit.

        Each map and weight is read or written once by each layer and everything else is free.
        None where the precision's peak is unknown.
        """
        rate = peaks.operations.get(precision)
        if rate is None:
            return None
        width = dtype_of(precision).itemsize
        return self.passes * sum(
            max(layer.operations / rate, layer.numbers * width / peaks.bytes)
            for layer in self.layers
        )


def measured_peaks(
    device: str, precisions: list[str], side: int = 0, num_bytes: int = 0, seconds: float = SECONDS
) -> Peaks:
    """Time dense arithmetic in every floating-point precision, and a copy, and keep the best.

    The arithmetic is the faster of a matrix product and a 3x3 convolution: on some processors one
    of their libraries reaches half of what the other does.

    Args:
        device: where.
        precisions: of PRECISIONS; integers have no such operations in PyTorch.
        side: of the matrices; default: by device.
        num_bytes: of the copy; default: by device.
        seconds: to try each for.
    """
    kind = torch.device(device).type
    side, num_bytes = side or MATMUL_SIDE[kind], num_bytes or COPY_BYTES[kind]
    operations = {}
    for precision in precisions:
        dtype = dtype_of(precision)
        if dtype.is_floating_point:
            operations[precision] = max(
                _product_rate(side, dtype, device, seconds),
                _convolution_rate(side, dtype, device, seconds),
            )
    source = torch.zeros(num_bytes // 4, device=device)
    target = torch.empty_like(source)
    best = _best_seconds(lambda: target.copy_(source), device, seconds)
    return Peaks(operations, 2 * num_bytes / best)


def _product_rate(side: int, dtype: torch.dtype, device: str, seconds: float) -> float:
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _best_seconds(lambda: a @ b, device, seconds)


@torch.no_grad()
def _convolution_rate(side: int, dtype: torch.dtype, device: str, seconds: float) -> float:
    """Of side / 8 channels on a map of ``side`` pixels."""
    channels = max(1, side // 8)
    height = math.isqrt(side)
    options = dict(device=device, dtype=dtype, memory_format=torch.channels_last)
    x = torch.randn(1, channels, height, height).to(**options)
    weight = torch.randn(channels, channels, 3, 3).to(**options)
    operations = 2 * 9 * channels**2 * height**2
    return operations / _best_seconds(lambda: F.conv2d(x, weight, padding=1), device, seconds)


def _best_seconds(call, device: str, seconds: float) -> float:
    call()
    best, end = seconds_of(call, device), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, seconds_of(call, device))
    return best


@torch.no_grad()
def work_of(net: nn.Module, batch: int, size: tuple[int, int], trains: bool) -> Work:
    """Count a network's work.

    Args:
        net: with a ``backbone``, on the meta device.
        batch: images in a call.
        size: height and width of the images.
        trains: whether a call is a training step.
    """
    layers = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        operations = 2 * output.numel() * weight[0].numel()
        numbers = inputs[0].numel() + output.numel() + weight.numel()
        layers.append(Layer(operations, numbers))

    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    hooks = [module.register_forward_hook(note) for module in convolutions]
    net(torch.empty(batch, 3, *size, device='meta'))
    for hook in hooks:
        hook.remove()
    passes = TRAINING_PASSES if trains else 1
    complexity = count_model(net, size)
    operations = 2 * complexity.macs * batch * passes
    return Work(complexity.params, operations, tuple(layers), passes)
