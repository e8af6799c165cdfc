"""Convolutions and sums of bytes: exactly what the integers give, in every form and at any size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.deploy.engines.own_kernels import NativeEngine
from hrnet_mm.deploy.fused.layers import FusedConv, UpsampleSum
from hrnet_mm.kernels import int8, library
from hrnet_mm.models.hrmodule import Upsample

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')
# Of the maps; powers of two, so that what is divided by them is not rounded.
STEP, LAST_STEP = 2.0**10, 2.0**17


@pytest.fixture(autouse=True)
def _needs_int8() -> None:
    if not library.load_library().has_int8():
        pytest.skip('the kernels have no int8 arithmetic here')


@pytest.fixture(params=[0, 4])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Every 3x3 convolution of stride 1 that can be computed in this form is."""
    monkeypatch.setattr(int8, 'FEWEST_TILES', 1 if request.param else 10**9)
    return request.param


def conv(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, relu: bool = True, most=127
) -> FusedConv:
    """Its filters and biases are integers, and rounding to 8 bits leaves them as they are."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    layer.weight.data = torch.randint(-most, most + 1, layer.weight.shape).float()
    layer.weight.data[:, 0, kernel // 2, kernel // 2] = 127.0
    layer.bias.data = torch.randint(-9999, 10000, layer.bias.shape).float()
    return FusedConv(layer, None, relu).requires_grad_(False)


def exact(
    layer: FusedConv, x: Tensor, add: Tensor | None = None, of: float = 1, step: float = 0
) -> Tensor:
    """What the kernels compute of a map of bytes times ``of``: float32, or bytes times ``step``."""
    conv, unit = layer.conv, step or 1
    numbers, weight = x.double() / of, conv.weight.double()
    sums = F.conv2d(numbers, weight, None, conv.stride, conv.padding).float().double()
    y = (sums * of / unit + conv.bias[:, None, None].double() / unit).float()
    if add is not None:
        y = (y.double() + add.double() / unit).float()
    if not step:
        return F.relu(y) if layer.relu else y
    rounded = y.round().clamp(0, 255)
    assert rounded.unique().numel() > 2 or rounded.numel() < 99
    return rounded * step


class Net(nn.Module):
    """Two convolutions in a row, the second with a shortcut in bytes and with one in float32."""

    def __init__(self, inner: int, outer: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.first = FusedConv(nn.Conv2d(3, inner, 1), None, relu=True).requires_grad_(False)
        self.first.conv.weight.data = torch.randint(0, 2, (inner, 3, 1, 1)).float()
        self.first.conv.bias.data.zero_()
        self.to_bytes = conv(inner, outer, kernel, stride)
        self.to_floats = conv(inner, outer, kernel, stride, relu=False)
        self.last = conv(outer, outer, 3, most=3)
        self.out = conv(outer, 20, 1, relu=False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.first(image)
        y, term = self.to_bytes(x), self.to_floats(x)
        return term, self.out(self.last(y, y)), self.out(self.last(y, term))

    def exact(self, image: Tensor) -> tuple[Tensor, ...]:
        x = F.conv2d(image, self.first.conv.weight).clamp(0, 255)
        y, term = exact(self.to_bytes, x, step=STEP), exact(self.to_floats, x)
        last = [exact(self.last, y, add, STEP, LAST_STEP) for add in (y, term)]
        return term, *(exact(self.out, z, of=LAST_STEP) for z in last)


def engine_of(net: nn.Module) -> NativeEngine:
    steps = dict(first=1.0, to_bytes=STEP, last=LAST_STEP, last_1=LAST_STEP)
    return NativeEngine(net, torch.int8, steps)


def assert_equal(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for x, y in zip(actual, expected, strict=True):
        assert y.abs().max() > 0 and torch.equal(x, y)


@pytest.mark.parametrize(
    ('channels', 'size'),
    [
        ((16, 16), (1, 8, 8)),
        ((18, 36), (2, 13, 7)),
        ((5, 40), (3, 1, 1)),
        ((64, 48), (1, 9, 30)),
        ((72, 144), (2, 5, 6)),
        ((33, 32), (3, 4, 3)),
        ((384, 64), (1, 8, 6)),
    ],
)
def test_every_form_gives_the_integers(tile: int, channels: tuple, size: tuple) -> None:
    net = Net(*channels)
    image = torch.randint(0, 120, (size[0], 3, *size[1:])).float()
    engine = engine_of(net)
    assert_equal(engine(image), net.exact(image))
    [plan] = engine.plans.values()
    assert sum(op.tiles > 0 for op in plan.ops) == (4 if tile else 0)


@pytest.mark.parametrize(('kernel', 'stride'), [(1, 1), (3, 2), (1, 2), (5, 1), (7, 2)])
@pytest.mark.parametrize('size', [(1, 1), (7, 10), (16, 27)])
def test_direct_convolutions(kernel: int, stride: int, size: tuple[int, int]) -> None:
    net, image = Net(20, 33, kernel, stride), torch.randint(0, 120, (3, 3, *size)).float()
    assert_equal(engine_of(net)(image), net.exact(image))


@pytest.mark.parametrize('filters', ['all', 'any'])
def test_the_largest_sums(tile: int, filters: str) -> None:
    net = Net(114, 32)
    net.first.conv.weight.data.fill_(1.0)
    if filters == 'all':
        net.to_floats.conv.weight.data.fill_(127.0)
    else:
        net.to_floats.conv.weight.data.sign_().mul_(127)
    image = torch.full((1, 3, 9, 9), 85.0)
    assert_equal(engine_of(net)(image)[:1], net.exact(image)[:1])


def test_sums_that_a_tile_cannot_hold_are_direct() -> None:
    def tile(filters: Tensor) -> int:
        return int8.tile_of_bytes((1, 8, 64, 64), int8.rounded(filters).largest_sum())

    filters = torch.ones(8, 115, 3, 3)
    assert (tile(filters), tile(filters.repeat(1, 2, 1, 1))) == (4, 0)
    assert tile(torch.cat([filters, -filters], 1)) == 4


def test_filters_have_255_levels_and_the_nearest_is_taken() -> None:
    weight = torch.randn(5, 7, 3, 3) * torch.tensor([1e-9, 1.0, 1e9, 1.0, 0.0]).reshape(5, 1, 1, 1)
    filters = int8.rounded(weight)
    assert filters.numbers.flatten(1).abs().amax(1).tolist() == [127, 127, 127, 127, 0]
    error = filters.numbers * filters.steps.reshape(5, 1, 1, 1) - weight
    assert (error.flatten(1).abs().amax(1) <= filters.steps * 0.5001).all()


class Sum(nn.Module):
    def __init__(self, upsample: Upsample, relu_is_read: bool) -> None:
        super().__init__()
        net = Net(20, 24)
        self.first, self.base, self.same = net.first, net.to_bytes, net.to_floats
        self.halved = conv(20, 24, 3, 2, relu=False)
        self.sum, self.is_read = UpsampleSum(upsample, relu=True), relu_is_read
        self.out = conv(24, 8, 1, relu=False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.first(image)
        y = self.sum(self.base(x), [self.same(x)], [self.halved(x)])
        return (self.out(y) if self.is_read else y,)


@pytest.mark.parametrize('is_read', [False, True])
@pytest.mark.parametrize('size', [(8, 12), (7, 9), (1, 5)])
@pytest.mark.parametrize('upsample', [Upsample(), Upsample('bilinear', False)])
def test_sums(upsample: Upsample, size: tuple[int, int], is_read: bool) -> None:
    net = Sum(upsample, is_read)
    image = torch.randint(0, 120, (2, 3, *size)).float()
    steps = {'first': 1.0, 'base': STEP, 'sum_1': 4096.0}
    x = F.conv2d(image, net.first.conv.weight).clamp(0, 255)
    base = exact(net.base, x, step=STEP)
    expected = net.sum(base, [exact(net.same, x)], [exact(net.halved, x)])
    [actual] = NativeEngine(net, torch.int8, steps)(image)
    if not is_read:
        torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0.1)
        return
    numbers = (expected / 4096).round().clamp(0, 255)
    weight, bias = net.out.conv.weight, net.out.conv.bias
    expected = F.conv2d(numbers.double(), weight.double()) * 4096 + bias[:, None, None]
    wrong = (actual - expected).abs() > 4096 * 127 * 1.1  # more than one number off by one
    assert expected.abs().max() > 0 and not wrong.any()
