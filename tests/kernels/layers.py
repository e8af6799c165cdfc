"""Native layers beside PyTorch's own."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.kernels.batch_norm import NativeBatchNorm2d
from hrnet_mm.kernels.convolution import NativeConv2d
from hrnet_mm.kernels.library import load_library
from hrnet_mm.kernels.training import use_native_training
from hrnet_mm.models import HRNet
from hrnet_mm.training.hooks.channels_last import use_channels_last
from tests.helpers import relative_difference, small_extra


def skip_without(precision: torch.dtype) -> None:
    if precision == torch.bfloat16 and not load_library().has_bf16():
        pytest.skip('the kernels have no bf16 arithmetic here')


def channels_last(*size: int) -> Tensor:
    return torch.randn(*size).to(memory_format=torch.channels_last)


def native_conv(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    conv.to(memory_format=torch.channels_last)
    assert use_native_training(conv) == 1 and type(conv) is NativeConv2d
    return conv


def native_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    use_native_training(norm)
    assert type(norm) is NativeBatchNorm2d
    return norm


def results(module: nn.Module, *maps: Tensor, **options: bool) -> list[Tensor]:
    """The output, the gradients of the maps and those of the parameters."""
    maps = tuple(x.detach().requires_grad_() for x in maps)
    parameters = list(module.parameters())
    y = module(*maps, **options)
    generator = torch.Generator().manual_seed(0)
    dy = torch.randn(y.shape, generator=generator).to(y.dtype)
    return [y, *torch.autograd.grad(y, [*maps, *parameters], dy)]


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        assert relative_difference(a.double(), e) < tolerance


def plain(module: nn.Module) -> nn.Module:
    """PyTorch's own module with the same parameters, in float64."""
    other = deepcopy(module).double()
    other.__class__ = type(module).__bases__[0]
    return other


def small_hrnet(width: int, by_kernels: bool = True, **options: object) -> HRNet:
    torch.manual_seed(0)
    net = HRNet(extra=small_extra(width), **options).train()
    if by_kernels:
        return native(net)
    use_channels_last(net)
    return net


def native(net: HRNet) -> HRNet:
    use_channels_last(net)
    assert use_native_training(net) > 10
    return net


def loss_of(net: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    dtype = next(net.parameters()).dtype
    image = torch.randn(4, 3, 128, 96, generator=generator).to(dtype)
    return sum((y - 1).square().mean() for y in net(image))


def gradients(net: nn.Module) -> list[Tensor]:
    return [g.double() for g in torch.autograd.grad(loss_of(net), list(net.parameters()))]
