"""All of the CUDA backend but the capture itself, on a CPU; on a GPU the capture too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hrnet_mm.deploy.backends import cudagraph
from hrnet_mm.deploy.backends.cudagraph import GraphEngine, Recording
from hrnet_mm.deploy.backends.torch_network import TorchNetwork
from hrnet_mm.deploy.parallel import OnStreams
from tests.deploy.nets import assert_same, maps_of, small_neck, small_net


def record_on_cpu(network: TorchNetwork, image: Tensor) -> Recording:
    """What a graph does, by hand: fixed memory in, fixed memory out."""
    image = image.clone()
    outputs = network(image)

    def replay() -> None:
        for output, x in zip(outputs, network(image), strict=True):
            output.copy_(x)

    return Recording(image, outputs, replay)


def network_on_streams(net, neck, image: Tensor) -> TorchNetwork:
    network = TorchNetwork(net, neck, image, torch.float32, merge=True)
    network.fused.run_branches(OnStreams(image.device))
    return network


def test_branches_on_streams_give_the_same() -> None:
    net, neck = small_net(), small_neck('v2p')
    image = torch.randn(2, 3, 61, 95)
    assert_same(network_on_streams(net, neck, image)(image), maps_of(net, neck, image))


def test_every_shape_is_recorded_once_and_results_are_copies() -> None:
    net, neck = small_net(), small_neck('v2')
    images = [torch.randn(1, 3, 64, 64), torch.randn(2, 3, 64, 96), torch.randn(1, 3, 64, 64)]
    recorded = []

    def record(network: TorchNetwork, image: Tensor) -> Recording:
        recorded.append(tuple(image.shape))
        return record_on_cpu(network, image)

    engine = GraphEngine(network_on_streams(net, neck, images[0]), record)
    results = [engine(image) for image in images]
    for maps, image in zip(results, images, strict=True):
        assert_same(maps, maps_of(net, neck, image))
    assert recorded == [(1, 3, 64, 64), (2, 3, 64, 96)]


def test_the_oldest_shape_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudagraph, 'MAX_SHAPES', 2)
    net = small_net(out_indices=(0,))
    images = [torch.randn(n, 3, 32, 32) for n in (1, 2, 3)]
    engine = GraphEngine(network_on_streams(net, None, images[0]), record_on_cpu)
    for i in (0, 1, 0, 2):
        assert_same(engine(images[i]), maps_of(net, None, images[i]))
    assert [shape[0] for shape in engine.recordings] == [1, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_captured_graphs_give_the_networks_numbers(dtype: torch.dtype) -> None:
    net, neck = small_net().cuda(), small_neck('v2p').cuda()
    images = [torch.randn(n, 3, 64, 96, device='cuda') for n in (1, 2, 1)]
    engine = cudagraph.build(net, neck, images[0], dtype)
    for image in images:
        assert_same(engine(image), maps_of(net, neck, image), tolerance=3e-2)
