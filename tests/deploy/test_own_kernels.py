"""Networks run by the package's own kernels: any neck, threads and batch."""

import gc
import itertools
import weakref

import pytest
import torch
from torch import Tensor

from hrnet_mm.deploy.engines import own_kernels
from hrnet_mm.deploy.engines import own_kernels_plan as plan
from hrnet_mm.deploy.engines.own_kernels import MAX_PLANS, NativeEngine
from hrnet_mm.deploy.engines.own_kernels_plan import Step, Value, assign_memory, sort_steps
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.kernels import library, tiles
from hrnet_mm.models import HRNet
from tests.helpers import NECKS, assert_same, maps_of, ready, small_neck, small_net

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')


@pytest.mark.parametrize('threads', [1, 3])
@pytest.mark.parametrize('neck', NECKS)
def test_every_neck_on_any_number_of_threads(neck: str, threads: int) -> None:
    torch.set_num_threads(threads)
    net, neck = small_net(upsample='bilinear'), small_neck(neck)
    engine = NativeEngine(FusedHRNet(net, neck))
    for size in [(2, 3, 61, 95), (1, 3, 128, 64)]:
        image = torch.randn(*size)
        assert_same(engine(image), maps_of(net, neck, image))


def test_a_batch_in_pieces_is_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    monkeypatch.setattr(plan, 'PIXELS_PER_THREAD', 61 * 64)
    net, neck = small_net(), small_neck('v2p')
    image = torch.randn(5, 3, 61, 64)
    engine = NativeEngine(FusedHRNet(net, neck))
    assert_same(engine(image), maps_of(net, neck, image))
    assert [batch for batch, *_ in engine.plans] == [2, 1]


@pytest.mark.parametrize(
    ('shape', 'threads', 'images'),
    [
        ((8, 3, 256, 192), 2, 2),
        ((12, 3, 256, 192), 8, 6),  # 6 and 6, where 10 would fit
        ((64, 3, 64, 64), 1, 16),
        ((2, 3, 1024, 2048), 2, 1),
        ((1, 3, 32, 32), 1, 1),
    ],
)
def test_as_many_images_at_once_as_the_caches_hold(shape: tuple, threads: int, images: int) -> None:
    assert plan.images_at_once(shape, threads) == images


@pytest.mark.parametrize('threads', [1, 4])
def test_no_map_is_overwritten_before_it_is_read(threads: int) -> None:
    planner = plan.Planner(FusedHRNet(ready(HRNet('w18_small_v2'))))
    steps, outputs = planner.plan((2, 3, 64, 64))
    steps = sort_steps(steps, threads)

    def size(value: Value) -> int:
        return value.shape[1] * value.shape[2] * value.shape[3]

    offsets, total = assign_memory(steps, outputs, size)
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
    ordered = sort_steps(steps, threads=2)
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


def test_what_no_plan_needs_any_more_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_kernels, 'MAX_PLANS', 2)
    network = FusedHRNet(small_net())
    large, small, smaller = (torch.randn(1, 3, *size) for size in [(256, 192), (48, 64), (33, 47)])

    def held(*images: Tensor) -> tuple[int, int]:
        """Bytes of packed filters, and of memory for maps, after images of these sizes."""
        engine = NativeEngine(network)
        for image in images:
            assert_same(engine(image), network(image))
        assert len(engine.plans) == min(2, len(images))
        return sum(x.filters.nbytes for x in engine.weights.values()), engine.arena.nbytes

    with_large, without = held(small, large), held(smaller, small)
    assert with_large[0] > without[0] and with_large[1] > without[1]
    assert held(small, large, smaller, small) == without
    assert held(large, small, smaller, small, large)[0] == with_large[0]


def test_images_of_sizes_that_come_again_are_not_planned_again() -> None:
    engine = NativeEngine(FusedHRNet(small_net(out_indices=(0,))))
    images = [torch.randn(1, 3, 32, 32 + i) for i in range(MAX_PLANS)]
    for image in images:
        engine(image)
    plans = list(engine.plans.values())
    for image in images:
        engine(image)
    assert list(engine.plans.values()) == plans


def test_an_engine_frees_its_memory_at_once() -> None:
    gc.disable()
    try:
        engine = NativeEngine(FusedHRNet(small_net()))
        engine(torch.randn(1, 3, 64, 64))
        filters = [weakref.ref(x.filters) for x in engine.weights.values()]
        del engine
        assert filters and all(x() is None for x in filters)
    finally:
        gc.enable()
