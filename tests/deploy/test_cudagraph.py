"""All of the CUDA backend but the capture itself, on a CPU; on a GPU the capture too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hrnet_mm.deploy.backends import cudagraph
from hrnet_mm.deploy.backends.cudagraph import (
    Form,
    GraphEngine,
    Recording,
    fastest,
    network_in_form,
    uncompiled,
)
from hrnet_mm.deploy.backends.torch_network import TorchNetwork
from tests.deploy.nets import assert_same, maps_of, small_neck, small_net


def record_on_cpu(network: TorchNetwork, image: Tensor) -> Recording:
    """What a graph does, by hand: fixed memory in, fixed memory out."""
    image = image.clone()
    outputs = network(image)

    def replay() -> None:
        for output, x in zip(outputs, network(image), strict=True):
            output.copy_(x)

    return Recording(image, outputs, replay)


def engine_of(net, neck, image: Tensor, capture=record_on_cpu) -> GraphEngine:
    form = Form(merge=True, streams=True)
    network = network_in_form(form, net, neck, image, torch.float32)
    return GraphEngine(network, capture, network, form)


@pytest.mark.parametrize(
    'form', [Form(), Form(merge=True), Form(merge=True, streams=True)], ids=str
)
@pytest.mark.parametrize('neck', ['none', 'v2p'])
def test_every_form_gives_the_same(form: Form, neck: str) -> None:
    net, neck = small_net(), small_neck(neck)
    image = torch.randn(2, 3, 61, 95)
    network = network_in_form(form, net, neck, image, torch.float32)
    assert_same(network(image), maps_of(net, neck, image))


@pytest.mark.slow
@pytest.mark.parametrize('upsample', ['nearest', 'bilinear'])
def test_compiled_sums_give_the_same_and_are_left_alone_in_unrecorded_runs(upsample: str) -> None:
    net, neck = small_net(upsample=upsample), small_neck('v2')
    image, other = torch.randn(1, 3, 64, 95), torch.randn(1, 3, 32, 32)
    network = network_in_form(Form(compiled_sums=True), net, neck, image, torch.float32)
    counts = torch._dynamo.utils.counters['stats']
    counts.clear()
    with torch._dynamo.config.patch(cudagraph.COMPILER_LIMITS):
        assert_same(network(image), maps_of(net, neck, image))
    compiled = counts['unique_graphs']
    assert compiled > 4
    assert_same(uncompiled(network)(other), maps_of(net, neck, other))
    assert counts['unique_graphs'] == compiled


def test_a_shape_is_recorded_when_it_comes_again_and_results_are_copies() -> None:
    net, neck = small_net(), small_neck('v2')
    sizes = [(1, 64, 64), (2, 64, 96), (1, 64, 64), (1, 64, 64), (2, 64, 96), (1, 96, 64)]
    images = [torch.randn(n, 3, h, w) for n, h, w in sizes]
    recorded = []

    def record(network: TorchNetwork, image: Tensor) -> Recording:
        recorded.append(tuple(image.shape))
        return record_on_cpu(network, image)

    engine = engine_of(net, neck, images[0], record)
    results = [engine(image) for image in images]
    for maps, image in zip(results, images, strict=True):
        assert_same(maps, maps_of(net, neck, image))
    assert recorded == [(1, 3, 64, 64), (2, 3, 64, 96)]


def test_no_more_shapes_are_recorded_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudagraph, 'MAX_SHAPES', 2)
    net = small_net(out_indices=(0,))
    engine = engine_of(net, None, torch.empty(1, 3, 32, 32))
    for n in (1, 2, 3, 1, 2, 3, 3, 1):
        image = torch.randn(n, 3, 32, 32)
        assert_same(engine(image), maps_of(net, None, image))
    assert [shape[0] for shape in engine.recordings] == [1, 2]


def test_each_option_is_kept_that_pays_and_passed_over_where_it_fails() -> None:
    def start(form: Form) -> Form:
        if form.compiled_sums:
            raise torch.OutOfMemoryError('too little')
        return form

    def seconds(form: Form) -> float:
        return 3.0 - form.one_call + form.merge - (form.streams and form.one_call)

    options = ['one_call', 'compiled_sums', 'merge', 'streams']
    assert fastest(options, start, seconds) == Form(one_call=True, streams=True)


def test_what_fails_in_the_plain_form_is_reported() -> None:
    def start(form: Form) -> Form:
        raise RuntimeError('no GPU')

    with pytest.raises(RuntimeError, match='no GPU'):
        fastest(['merge'], start, lambda form: 1.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_captured_graphs_give_the_networks_numbers(dtype: torch.dtype) -> None:
    net, neck = small_net().cuda(), small_neck('v2p').cuda()
    images = [torch.randn(n, 3, 64, 96, device='cuda') for n in (1, 2, 1, 2, 2)]
    engine = cudagraph.build(net, neck, images[0], dtype)
    for image in images:
        assert_same(engine(image), maps_of(net, neck, image), tolerance=3e-2)
