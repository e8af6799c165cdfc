"""A network in 8 bits by the package's own kernels."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.base.difference import relative_difference
from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.engines import own_kernels
from hrnet_mm.deploy.engines.own_kernels import NativeEngine, build_int8
from hrnet_mm.deploy.engines.own_kernels_int8 import Int8Planner, steps_of_maps
from hrnet_mm.deploy.engines.own_kernels_plan import UPSAMPLE_SUM
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.kernels import library
from hrnet_mm.models import HRNet
from tests.helpers import NECKS, maps_of, ready, small_neck, small_net

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')
NEAR = 0.03  # up to 0.018 was measured; a map of zeros gives 1
ROUNDED = 1e-3


@pytest.fixture(autouse=True)
def _needs_int8() -> None:
    if not library.load_library().has_int8():
        pytest.skip('the kernels have no int8 arithmetic here')


def images(number: int = 4, size: tuple[int, int] = (64, 96)) -> list[Tensor]:
    return list(torch.randn(number, 1, 3, *size))


def engine_of(net: nn.Module, neck: nn.Module | None = None) -> NativeEngine:
    return build_int8(FusedHRNet(net, neck), images()[0], images())


@pytest.mark.parametrize('upsample', ['nearest', 'bilinear'])
@pytest.mark.parametrize('name', NECKS)
def test_every_neck_is_near_at_every_size(name: str, upsample: str) -> None:
    net, neck = small_net(upsample=upsample), small_neck(name)
    engine = engine_of(net, neck)
    for image in (torch.randn(2, 3, 93, 127), torch.randn(1, 3, 64, 64), torch.randn(3, 3, 33, 47)):
        maps, expected = engine(image), maps_of(net, neck, image)
        assert [y.shape for y in maps] == [y.shape for y in expected]
        for actual, exact in zip(maps, expected, strict=True):
            assert ROUNDED < relative_difference([actual], [exact], 2) < NEAR


def test_widths_that_fill_no_vectors() -> None:
    net, image = ready(HRNet('w18_small')), torch.randn(1, 3, 96, 72)
    engine = engine_of(net)
    assert relative_difference(engine(image), maps_of(net, None, image), 2) < NEAR


def test_threads_and_pieces_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    engine, image = engine_of(small_net()), torch.randn(5, 3, 61, 64)
    expected = engine(image)
    torch.set_num_threads(3)
    monkeypatch.setattr('hrnet_mm.deploy.engines.own_kernels_plan.PIXELS_PER_THREAD', 61 * 16)
    assert all(map(torch.equal, engine(image), expected))
    assert [batch for batch, *_, threads in engine.plans if threads == 3] == [3, 2]


def test_copies_compute_the_same() -> None:
    engine, image = engine_of(small_net()), torch.randn(1, 3, 64, 64)
    for other in (copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))):
        assert all(map(torch.equal, other(image), engine(image)))
    assert all(map(torch.equal, engine.run_uncached(image), engine(image)))


def test_all_convolutions_but_the_first_read_bytes_and_terms_are_exact() -> None:
    network = FusedHRNet(small_net())
    planner = Int8Planner(network, 16, steps_of_maps(network, images()))
    steps, outputs = planner.plan((1, 3, 64, 64))
    first, *others = (step for step in steps if step.conv is not None)
    assert not first.is_of_bytes and first.out.step
    assert len(others) > 30 and all(step.is_of_bytes for step in others)
    for step in steps:
        if step.kind == UPSAMPLE_SUM:
            base, *terms = step.inputs
            assert base.step and not any(term.step for term in terms)
            assert bool(step.out.step) == (step.out not in outputs)


def test_steps_are_of_the_largest_numbers_of_all_images() -> None:
    network = FusedHRNet(small_net())
    small, large = torch.randn(1, 3, 64, 64), 5 * torch.randn(1, 3, 64, 64)
    steps = steps_of_maps(network, [small, large])
    with torch.no_grad():
        largest = float(network.stem[0](large).max())
    assert steps['stem_0'] == pytest.approx(largest / 255)
    assert steps == steps_of_maps(network, [large, small])


def test_a_dead_map_is_zero() -> None:
    net = small_net()
    nn.init.constant_(net.bn1.bias, -1e6)
    engine, image = engine_of(net), torch.randn(1, 3, 64, 64)
    assert engine.steps['stem_0'] == 1
    assert relative_difference(engine(image), maps_of(net, None, image), 2) < NEAR


def test_optimize_takes_these_kernels(recwarn: pytest.WarningsRecorder) -> None:
    net, image = small_net(), torch.randn(1, 3, 64, 96)
    fast = optimize(net, image, 'int8', calibration=images())
    assert (fast.backend, fast.precision) == ('native', 'int8')
    assert ROUNDED < fast.difference < NEAR and not recwarn.list


def test_a_cpu_without_this_arithmetic_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = SimpleNamespace(has_int8=lambda: 0)
    monkeypatch.setattr(own_kernels, 'load_library', lambda: kernels)
    with pytest.raises(UserError, match="'native' cannot run the model: the kernels have no int8"):
        optimize(small_net(), torch.randn(1, 3, 64, 64), 'int8', 'native', images())
