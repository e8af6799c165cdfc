"""Every form of every operation of a fused network, at any size: PyTorch's numbers."""

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.deploy.engines import own_kernels_plan as plan
from hrnet_mm.deploy.engines.own_kernels import NativeEngine
from hrnet_mm.deploy.fused.layers import FusedConv, Pool, UpsampleSum
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.models.hrmodule import Upsample
from tests.helpers import assert_same, maps_of, relative_difference, small_net
from tests.kernels import emulation
from tests.kernels.layers import skip_without

pytestmark = pytest.mark.usefixtures('every_instruction_set')


class Graph(nn.Module):
    """A first convolution, so that what follows reads a map of the engine, then some layers."""

    def __init__(self, channels: int, **layers: nn.Module) -> None:
        super().__init__()
        self.first = conv(3, channels, 1)
        for name, layer in layers.items():
            self.add_module(name, layer)


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, relu: bool = False):
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    return FusedConv(layer, None, relu).requires_grad_(False)


def assert_engine_equals(net: nn.Module, image: Tensor) -> None:
    assert_same(NativeEngine(net)(image), net(image))


class OneConv(Graph):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.first(image)
        return self.conv(x), self.conv_relu(x, self.conv(x))


@pytest.mark.parametrize('tile', [0, 2, 4])
@pytest.mark.parametrize(
    ('channels', 'size'),
    [((16, 16), (8, 8)), ((5, 33), (1, 1)), ((40, 18), (13, 7)), ((3, 80), (9, 30))],
)
def test_every_form_of_a_3x3_convolution(
    tile: int, channels: tuple[int, int], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, 'best_tile', lambda *_: tile)
    inner, outer = channels
    net = OneConv(inner, conv=conv(inner, outer, 3), conv_relu=conv(inner, outer, 3, relu=True))
    assert_engine_equals(net, torch.randn(2, 3, *size))


@pytest.mark.parametrize(('kernel', 'stride'), [(1, 1), (3, 2), (1, 2), (5, 1), (7, 2)])
@pytest.mark.parametrize('size', [(1, 1), (7, 10), (16, 24)])
def test_direct_convolutions(kernel: int, stride: int, size: tuple[int, int]) -> None:
    layers = dict(conv=conv(20, 33, kernel, stride), conv_relu=conv(20, 33, kernel, stride, True))
    assert_engine_equals(OneConv(20, **layers), torch.randn(3, 3, *size))


class Sum(Graph):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        base, same = self.first(image), self.same(image)
        coarser = [self.halved(image), self.fourth(image)]
        return (self.sum(base, [same], coarser),)


@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('size', [(8, 12), (7, 9), (1, 5), (198, 2)])
@pytest.mark.parametrize(
    'upsample',
    [
        Upsample(),
        Upsample('bilinear', False),
        Upsample('bilinear', True),
        Upsample('bilinear', False, by_powers_of_two=True),
        Upsample('nearest', by_powers_of_two=True),
    ],
    ids=str,
)
def test_upsampled_sums(upsample: Upsample, size: tuple[int, int], relu: bool) -> None:
    net = Sum(
        18,
        same=conv(3, 18, 3),
        halved=conv(3, 18, 3, stride=2),
        fourth=nn.Sequential(conv(3, 4, 3, stride=2), conv(4, 18, 3, stride=2)),
        sum=UpsampleSum(upsample, relu),
    )
    assert_engine_equals(net, torch.randn(2, 3, *size))


class Pools(Graph):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.first(image)
        return self.small(x), self.large(x)


@pytest.mark.parametrize('average', [False, True])
@pytest.mark.parametrize('size', [(16, 24), (9, 21), (3, 20)])
def test_pooling(average: bool, size: tuple[int, int]) -> None:
    net = Pools(20, small=Pool(average, 2), large=Pool(average, 8))
    assert_engine_equals(net, torch.randn(2, 3, *size))


@pytest.mark.parametrize('tile', [0, 2, 4])
@pytest.mark.parametrize('channels', [(16, 16), (5, 33), (27, 18)])
def test_bf16_rounds_the_factors_and_nothing_else(
    tile: int, channels: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(torch.bfloat16)
    monkeypatch.setattr(plan, 'best_tile', lambda *_: tile)
    inner, outer = channels
    net = OneConv(inner, conv=conv(inner, outer, 3), conv_relu=conv(inner, outer, 3, relu=True))
    image = torch.randn(2, 3, 13, 7)
    actual = NativeEngine(net, torch.bfloat16)(image)
    x = emulation.convolve(image, net.first.conv.weight, net.first.conv.bias, 0)
    y, z = (
        emulation.convolve(x, layer.conv.weight, layer.conv.bias, tile)
        for layer in (net.conv, net.conv_relu)
    )
    for a, e in zip(actual, (y, (y + z).relu()), strict=True):
        assert relative_difference(a.double(), e) < 2e-4


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_any_layout_of_the_image(layout: torch.memory_format) -> None:
    net = small_net()
    image = torch.randn(2, 3, 47, 80).contiguous(memory_format=layout)
    engine = NativeEngine(FusedHRNet(net))
    assert_same(engine(image), maps_of(net, None, image))
    assert_same(engine(image[:, :, 3:40, 10:70]), maps_of(net, None, image[:, :, 3:40, 10:70]))


def test_nan_is_not_hidden() -> None:
    net = small_net(out_indices=(0,))
    image = torch.randn(1, 3, 64, 64)
    image[0, 0, 30, 30] = torch.nan
    (finest,) = NativeEngine(FusedHRNet(net))(image)
    assert finest.isnan().any()
