"""The fused network compiled by torch.compile, the weights frozen into the code."""

from __future__ import annotations

import threading

import torch
from torch import Tensor, nn
from torch._inductor import config

from hrnet_mm.deploy.engines.torch_network import TorchNetwork
from hrnet_mm.deploy.table import Engine
from hrnet_mm.models import HRNet

MAX_SHAPES = 8  # torch.compile stops at as many
# On a GPU, a CUDA graph launches all kernels at once; on a CPU there is none, and nothing changes.
MODE = 'reduce-overhead'

# Of all engines: CUDA graphs share their memory, and an older PyTorch its settings, among threads.
_ONE_AT_A_TIME = threading.Lock()


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """Compiled for the shape of ``image``, and anew for each of the first other shapes."""
    engine = InductorEngine(TorchNetwork(net, neck, image, dtype))
    engine(image)
    return engine


class InductorEngine:
    """Compiles for each shape; beyond ``MAX_SHAPES`` of them it runs without compilation."""

    def __init__(self, network: TorchNetwork) -> None:
        self.network = network
        self.compiled = torch.compile(network, fullgraph=True, dynamic=False, mode=MODE)
        self.shapes: set[torch.Size] = set()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps in memory of their own."""
        with _ONE_AT_A_TIME:
            if image.shape not in self.shapes and len(self.shapes) == MAX_SHAPES:
                return self.once(image)
            self.shapes.add(image.shape)
            # Not as `options` of torch.compile: Dynamo, too, must see that parameters are
            # constants.
            with config.patch(freezing=True), torch.no_grad():
                maps = self.compiled(image)
            # The next run of a CUDA graph writes its maps to the same place.
            return tuple(x.clone() if x.is_cuda else x for x in maps)

    def once(self, image: Tensor) -> tuple[Tensor, ...]:
        """The same without compilation."""
        return self.network(image)

    def __reduce__(self) -> tuple:
        return InductorEngine, (self.network,)
