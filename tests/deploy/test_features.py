"""An optimised network is a module: it is called, copied, pickled, moved and shared as one."""

from __future__ import annotations

import copy
import io
import os
import pickle
import sys
import threading
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.optimize import _LOCKS, optimize_on_first_image
from tests.deploy.helpers import EVERY_ENGINE, Made
from tests.helpers import NECKS, assert_same, maps_of, small_neck, small_net

IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Model(nn.Module):
    """A backbone and a neck, as the hosts' models have them."""

    def __init__(self, neck: nn.Module | None = None) -> None:
        super().__init__()
        self.data_preprocessor = nn.Module()
        self.data_preprocessor.register_buffer('mean', torch.zeros(3), persistent=False)
        self.backbone, self.neck = small_net(), neck
        self.head = nn.Conv2d(3, 3, 1)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.backbone(image)
        return maps if self.neck is None else self.neck(maps)


# --- an empty batch


@pytest.mark.parametrize('backend', EVERY_ENGINE)
@pytest.mark.parametrize('size', [(64, 64), (33, 47)])
def test_an_empty_batch_gives_empty_maps(
    size: tuple[int, int], backend: str, engines: Made
) -> None:
    fast, net = engines(backend)
    assert_empty(fast(torch.empty(0, 3, *size)), net(torch.empty(0, 3, *size)))
    image = torch.rand(1, 3, *size)
    assert_same(fast(image), net(image))


def assert_empty(actual: list[Tensor], expected: list[Tensor]) -> None:
    assert type(actual) is type(expected)
    assert [(x.shape, x.dtype) for x in actual] == [(x.shape, x.dtype) for x in expected]
    assert all(len(x) == 0 for x in actual)


@pytest.mark.parametrize('neck', NECKS)
@pytest.mark.parametrize('backend', ['eager', 'onnxruntime'])
def test_an_empty_batch_through_every_neck(backend: str, neck: str) -> None:
    model, empty = Model(small_neck(neck)), torch.empty(0, 3, 40, 72)
    fast = optimize(model, torch.rand(1, 3, 64, 64), backend=backend)
    assert_empty(fast(empty), maps_of(model.backbone, model.neck, empty))


def test_an_empty_batch_is_no_first_image() -> None:
    model = Model(small_neck('v2p'))
    fast = optimize_on_first_image(model, backend='eager')
    empty = torch.empty(0, 3, 64, 64)
    assert_empty(fast(empty), model(empty))
    assert fast.backbone.features is None
    assert_same(fast(IMAGE), model(IMAGE))
    assert_empty(fast(empty), model(empty))


# --- copies

COPIES: dict[str, Callable[[nn.Module], nn.Module]] = {
    'copy.deepcopy': copy.deepcopy,
    'pickle': lambda fast: pickle.loads(pickle.dumps(fast)),
    'torch.save': lambda fast: saved_and_loaded(fast),
    'another process': lambda fast: pickle.loads(bytes(ForkingPickler.dumps(fast))),
}


def saved_and_loaded(fast: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(fast, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize('backend', EVERY_ENGINE)
@pytest.mark.parametrize('how', COPIES)
def test_a_copy_gives_the_same_maps(how: str, backend: str, engines: Made) -> None:
    fast, net = engines(backend)
    other = COPIES[how](fast)
    assert other.engine is not fast.engine and type(other) is type(fast)
    assert (other.backend, other.precision, other.difference) == (
        *(fast.backend, fast.precision),
        fast.difference,
    )
    for image in (IMAGE, torch.rand(2, 3, 33, 47)):
        assert_same(other(image), net(image))
    with pytest.raises(ValueError, match=r'must be \(N, 3, H, W\)'):
        other(torch.rand(1, 4, 64, 64))


@pytest.mark.parametrize('how', COPIES)
def test_a_model_is_copied_whole_before_and_after_its_first_image(how: str) -> None:
    model = Model(small_neck('v2'))
    fast = optimize_on_first_image(model, backend='eager')
    before = COPIES[how](fast)
    assert before.backbone.features is None
    fast(IMAGE)
    after = COPIES[how](fast)
    for other in (before, after, COPIES[how](optimize(model, IMAGE, backend='eager'))):
        assert_same(other(IMAGE), model(IMAGE))
        assert torch.equal(other.head.weight, model.head.weight)
        assert other.head.weight is not model.head.weight


@pytest.mark.parametrize('backend', ['eager', 'native', 'onnxruntime', 'openvino'])
def test_weights_changed_later_change_neither_engine_nor_copy(backend: str) -> None:
    net = small_net().requires_grad_(False)
    expected = net(IMAGE)
    fast = optimize(net, IMAGE, backend=backend)
    for weight in net.state_dict().values():
        weight.zero_()
    assert_same(fast(IMAGE), expected)
    assert_same(copy.deepcopy(fast)(IMAGE), expected)


def test_a_compiled_network_is_copied_uncompiled() -> None:
    from hrnet_mm.deploy.engines.torch_compiled import InductorEngine
    from hrnet_mm.deploy.engines.torch_eager import TorchNetwork

    net = small_net()
    engine = InductorEngine(TorchNetwork(FusedHRNet(net), IMAGE.device, torch.float32))
    for copied in (copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))):
        assert copied.compiled is not engine.compiled and not copied.shapes
        assert_same(copied.network(IMAGE), net(IMAGE))


# --- what may not change


@pytest.mark.parametrize('make', ['optimize', 'optimize_on_first_image'])
def test_it_is_not_trained_moved_converted_or_loaded_into(make: str) -> None:
    model = Model()
    weights = model.state_dict()
    if make == 'optimize':
        fast = optimize(model, IMAGE, backend='eager')
    else:
        fast = optimize_on_first_image(model, backend='eager')
    with pytest.raises(RuntimeError, match='cannot be trained; train the original'):
        fast.backbone.train()
    for change in (nn.Module.half, nn.Module.double, nn.Module.bfloat16):
        with pytest.raises(RuntimeError, match='stays on cpu, and its maps float32; .* original'):
            change(fast)
    with pytest.raises(RuntimeError, match='stays on cpu'):
        fast.to('meta')
    with pytest.raises(RuntimeError, match='cannot be trained; train the original'):
        fast.train()
    assert not any(x.training for x in model.modules())  # the head is the model's own
    assert model.data_preprocessor.mean.dtype == torch.float32
    for strict in (True, False):
        with pytest.raises(RuntimeError, match='takes no weights; load them into the original'):
            fast.load_state_dict(weights, strict=strict)
    assert list(fast.state_dict()) == ['head.weight', 'head.bias']
    head = {'head.weight': torch.ones(3, 3, 1, 1), 'head.bias': torch.zeros(3)}
    fast.load_state_dict(head)
    assert torch.equal(fast.head.weight, head['head.weight'])
    same = fast.to('cpu').float().eval().to(memory_format=torch.channels_last)
    assert same is fast
    assert_same(fast(IMAGE), model(IMAGE))


@pytest.mark.parametrize('backend', ['eager', 'native'])
def test_it_is_not_traced_into_the_maps_of_one_image(backend: str, engines: Made) -> None:
    fast, _ = engines(backend)
    with pytest.raises(RuntimeError, match='cannot be traced; .*tools/export.py'):
        torch.jit.trace(fast, IMAGE)


@pytest.mark.parametrize('backend', EVERY_ENGINE)
@pytest.mark.parametrize('default', [torch.float64, torch.bfloat16])
def test_it_computes_in_its_own_precision(
    default: torch.dtype, backend: str, engines: Made
) -> None:
    """Whatever the process has chosen for the rest of the model."""
    fast, net = engines(backend)
    image = torch.rand(1, 3, 80, 48)  # a new shape: the engine plans it under this default
    expected = net(image)
    torch.set_default_dtype(default)
    try:
        with torch.autocast('cpu', torch.bfloat16):
            maps = fast(image)
            assert_same(copy.deepcopy(fast)(image), expected)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_same(maps, expected)


# --- threads and processes


def test_threads_at_the_first_image_make_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    net, made, more = small_net(), [], threading.Event()
    module = sys.modules[optimize.__module__]
    build = module.optimized_features

    def slowly(*args: object) -> nn.Module:
        made.append(args)
        if len(made) > 1:
            more.set()
        more.wait(0.5)
        return build(*args)

    monkeypatch.setattr(module, 'optimized_features', slowly)
    fast = optimize_on_first_image(net, backend='eager')
    for maps in in_threads(lambda _: fast(IMAGE), range(4)):
        assert_same(maps, net(IMAGE))
    assert len(made) == 1


@pytest.mark.parametrize('backend', EVERY_ENGINE)
def test_threads_share_an_engine(backend: str, engines: Made) -> None:
    fast, net = engines(backend)
    images = [torch.rand(1 + i % 2, 3, 64, 64 + 8 * (i % 3)) for i in range(24)]
    for maps, image in zip(in_threads(fast, images), images, strict=True):
        assert_same(maps, net(image))


def in_threads(work: Callable, items: object) -> list:
    """The results for all items, by four threads that begin together."""
    items, results, start = list(items), {}, threading.Barrier(4)

    def run(first: int) -> None:
        start.wait()
        for i in range(first, len(items), 4):
            results[i] = work(items[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[i] for i in range(len(items))]


class Predictions(Dataset):
    """Maps that a worker of a data loader computes."""

    def __init__(self, fast: nn.Module) -> None:
        self.fast = fast

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> tuple[int, list[Tensor]]:
        return os.getpid(), list(self.fast(IMAGE))


def in_a_worker(fast: nn.Module) -> DataLoader:
    options = dict(batch_size=None, num_workers=1, multiprocessing_context='fork', timeout=120)
    return DataLoader(Predictions(fast), **options)


@pytest.mark.parametrize('backend', EVERY_ENGINE)
def test_a_forked_worker_runs_an_engine_of_its_own(backend: str, engines: Made) -> None:
    fast, net = engines(backend)
    torch.set_num_threads(2)  # else the parent has no threads that a fork would miss
    fast = copy.deepcopy(fast)
    fast(IMAGE)
    worker = in_a_worker(fast)
    if backend == 'openvino':
        with pytest.raises(RuntimeError, match='OpenVINO cannot be used in a process that was'):
            next(iter(worker))
        return
    for process, maps in worker:
        assert process != os.getpid()
        assert_same(maps, net(IMAGE))


def test_a_fork_does_not_wait_for_what_a_thread_held() -> None:
    fast = optimize_on_first_image(small_net(), backend='eager')
    with _LOCKS.setdefault(os.getpid(), threading.Lock()):
        assert len(list(in_a_worker(fast))) == 2
