"""The fused network run by PyTorch as it is: no compilation, any shape, any device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import Engine


def build(network: FusedHRNet, image: Tensor, dtype: torch.dtype) -> Engine:
    """The engine on the device of ``image``."""
    return TorchNetwork(network, image.device, dtype)


class TorchNetwork(nn.Module):
    """Computes in one precision, the channels of a pixel side by side in memory; float32 outside.

    Args:
        network: the network; it is moved and converted.
        device: where it computes.
        dtype: in which it computes.
    """

    def __init__(self, network: FusedHRNet, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.fused = network.to(device, dtype, memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) of any type -> maps in float32."""
        image = image.to(self.dtype, memory_format=torch.channels_last)
        return tuple(x.float() for x in self.fused(image))
