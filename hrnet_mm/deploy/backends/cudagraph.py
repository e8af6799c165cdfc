"""The fused network captured in CUDA graphs, its branches on parallel streams.

At small batches a GPU waits for HRNet's launches: about 300 convolutions, and more than 300 sums
and activations besides. A captured graph is launched at once, and in it the branches, which do not
depend on each other, are parallel paths.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.backends.table import Engine
from hrnet_mm.deploy.backends.torch_network import TorchNetwork
from hrnet_mm.deploy.parallel import OnStreams
from hrnet_mm.models import HRNet

MAX_SHAPES = 8  # each keeps the memory of a run
WARM_UP_RUNS = 3  # cuDNN chooses its algorithms before the capture

Capture = Callable[[TorchNetwork, Tensor], 'Recording']


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """Captured for each shape at its first run, the last ``MAX_SHAPES`` of them kept."""
    network = TorchNetwork(net, neck, image, dtype, merge=True)
    network.fused.run_branches(OnStreams(image.device))
    return GraphEngine(network, capture)


@dataclass
class Recording:
    """Computes ``outputs`` from ``image`` in place when it is replayed."""

    image: Tensor
    outputs: tuple[Tensor, ...]
    replay: Callable[[], None]


class GraphEngine:
    """Replays the recording of the input's shape; records it first where there is none.

    Args:
        network: on the device.
        capture: makes a recording.
    """

    def __init__(self, network: TorchNetwork, capture: Capture) -> None:
        self.network = network
        self.capture = capture
        self.recordings: OrderedDict[torch.Size, Recording] = OrderedDict()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps in memory of their own."""
        recording = self.recordings.get(image.shape)
        if recording is None:
            if len(self.recordings) == MAX_SHAPES:
                self.recordings.popitem(last=False)
            recording = self.recordings[image.shape] = self.capture(self.network, image)
        self.recordings.move_to_end(image.shape)
        recording.image.copy_(image)
        recording.replay()
        return tuple(x.clone() for x in recording.outputs)


def capture(network: TorchNetwork, image: Tensor) -> Recording:
    """Record the network on CUDA for the shape of ``image``."""
    image = image.clone()
    with torch.cuda.device(image.device), torch.backends.cudnn.flags(benchmark=True):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_RUNS):
                network(image)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            outputs = network(image)
    return Recording(image, outputs, graph.replay)
