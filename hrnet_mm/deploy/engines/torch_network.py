"""The fused network in PyTorch, for the backends that run PyTorch's own operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.models import HRNet


class TorchNetwork(nn.Module):
    """Computes in one precision, the channels of a pixel side by side; float32 outside.

    Args:
        net, neck: in eval mode; not changed.
        image: an example, which tells the device.
        dtype: in which to compute.
    """

    def __init__(
        self, net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.fused = FusedHRNet(net, neck)
        self.fused.to(image.device, dtype, memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) of any type -> maps in float32."""
        image = image.to(self.dtype, memory_format=torch.channels_last)
        return tuple(x.float() for x in self.fused(image))
