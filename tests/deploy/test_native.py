"""The package's own kernels: every form of every operation, any size, threads and batch."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.deploy.layers import FusedConv, Pool, UpsampleSum
from hrnet_mm.deploy.native import plan
from hrnet_mm.deploy.native.engine import NativeEngine
from hrnet_mm.deploy.native.plan import Step, Value, in_order, place
from hrnet_mm.deploy.network import FusedHRNet
from hrnet_mm.models import HRNet
from hrnet_mm.models.hrmodule import Upsample
from hrnet_mm.native import library, tiles
from tests.deploy.nets import NECKS, assert_same, maps_of, ready, small_neck, small_net
from tests.native import emulation
from tests.native.layers import (
    assert_close,
    channels_last,
    native_conv,
    plain,
    results,
    skip_without,
)
from tests.peers import relative_difference

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')


@pytest.fixture(autouse=True)
def _threads_given_back():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


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
@pytest.mark.parametrize('size', [(8, 12), (7, 9), (1, 5)])
@pytest.mark.parametrize(
    'upsample', [Upsample(), Upsample('bilinear', False), Upsample('bilinear', True)], ids=str
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


@pytest.mark.parametrize('threads', [1, 3])
@pytest.mark.parametrize('neck', NECKS)
def test_every_neck_on_any_number_of_threads(neck: str, threads: int) -> None:
    torch.set_num_threads(threads)
    net, neck = small_net(upsample='bilinear'), small_neck(neck)
    engine = NativeEngine(FusedHRNet(net, neck))
    for size in [(2, 3, 61, 95), (1, 3, 128, 64)]:
        image = torch.randn(*size)
        assert_same(engine(image), maps_of(net, neck, image))


def test_large_maps_are_done_image_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(plan, 'LARGE_MAP', 1000)
    net, neck = small_net(), small_neck('v2')
    image = torch.randn(3, 3, 64, 64)
    engine = NativeEngine(FusedHRNet(net, neck))
    assert_same(engine(image), maps_of(net, neck, image))
    (made,) = engine.plans.values()
    assert {op.output.n for op in made.ops} == {1, 3}


def test_results_stay_when_the_engine_runs_again() -> None:
    net = small_net()
    engine = NativeEngine(FusedHRNet(net))
    images = torch.randn(2, 1, 3, 64, 64)
    first = engine(images[0])
    engine(images[1])
    assert_same(first, maps_of(net, None, images[0]))


def test_nan_is_not_hidden() -> None:
    net = small_net(out_indices=(0,))
    image = torch.randn(1, 3, 64, 64)
    image[0, 0, 30, 30] = torch.nan
    (finest,) = NativeEngine(FusedHRNet(net))(image)
    assert finest.isnan().any()


@pytest.mark.parametrize('options', [dict(norm_cfg=dict(type='GN', num_groups=2))], ids=str)
def test_what_has_no_kernel_is_named(options: dict) -> None:
    with pytest.raises(NotImplementedError, match='GroupNorm has no translation'):
        NativeEngine(FusedHRNet(small_net(**options)))


@pytest.mark.parametrize('threads', [1, 4])
def test_no_map_is_overwritten_before_it_is_read(threads: int) -> None:
    planner = plan.Planner(FusedHRNet(ready(HRNet('w18_small_v2'))))
    steps, outputs = planner.plan((2, 3, 64, 64))
    steps = in_order(steps, threads)

    def size(value: Value) -> int:
        return value.shape[1] * value.shape[2] * value.shape[3]

    offsets, total = place(steps, outputs, size)
    lives = [life(x, steps, offsets[x], size(x)) for x in offsets]
    assert sum(end - begin for *_, begin, end in lives) > 2 * total  # memory is used again
    for (first_a, last_a, begin_a, end_a), (
        first_b,
        last_b,
        begin_b,
        end_b,
    ) in itertools.combinations(lives, 2):
        at_once = first_a <= last_b and first_b <= last_a
        assert not (at_once and begin_a < end_b and begin_b < end_a)


def life(x: Value, steps: list[Step], begin: int, size: int) -> tuple[int, int, int, int]:
    """First and last level, begin and end in memory."""
    first = min(step.level for step in steps if step.out is x)
    last = max(step.level for step in steps if x in step.reads)
    return first, last, begin, begin + size


def test_a_level_holds_nothing_that_waits_for_it() -> None:
    planner = plan.Planner(FusedHRNet(small_net()))
    steps, _ = planner.plan((1, 3, 64, 64))
    ordered = in_order(steps, threads=2)
    assert max(step.level for step in ordered) < len(ordered) / 2  # branches are side by side
    for step in ordered:
        assert all(x.producer is None or x.producer.level < step.level for x in step.reads)


@pytest.mark.parametrize(
    ('shape', 'channels', 'tile'),
    [
        ((1, 32, 64, 48), 32, 4),
        ((1, 256, 8, 6), 256, 2),
        ((8, 256, 8, 6), 256, 4),
        ((1, 256, 1, 1), 256, 0),
    ],
)
def test_the_tile_is_the_measured_best(shape: tuple, channels: int, tile: int) -> None:
    assert tiles.best_tile(shape, channels) == tile


@pytest.mark.slow
@pytest.mark.parametrize('flags', [('-mno-avx512f', '-mavx2', '-mfma'), ('-mno-avx',)], ids=str)
def test_the_kernels_of_older_processors(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, 'FLAGS', (*library.FLAGS, *flags))
    monkeypatch.setattr(library, '_machine_flag', lambda: '-march=x86-64-v2')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    library.load_library.cache_clear()
    try:
        net, neck = small_net(upsample='bilinear'), small_neck('v2p')
        image = torch.randn(2, 3, 61, 95)
        engine = NativeEngine(FusedHRNet(net, neck))
        assert engine.lanes == (8 if '-mavx2' in flags else 4)
        assert_same(engine(image), maps_of(net, neck, image))
        layer, x = native_conv(32, 48), channels_last(2, 32, 13, 7)
        assert_close(results(layer, x), results(plain(layer), x.double()), 1e-5)
    finally:
        library.load_library.cache_clear()
