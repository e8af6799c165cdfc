"""The few layer patterns an HRNet is made of, under the hosts' parameter names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import nn


@dataclass(frozen=True)
class LayerFactory:
    """Builds convolutions and norms by the hosts' ``conv_cfg`` and ``norm_cfg``."""

    conv_cfg: dict[str, Any] | None
    norm_cfg: dict[str, Any]

    def conv(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
        return build_conv_layer(
            self.conv_cfg,
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        )

    def conv_norm(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        relu: bool = False,
    ) -> nn.Sequential:
        """Convolution, norm and, if asked, ReLU; parameters ``0.weight``, ``1.weight``, ..."""
        conv = self.conv(in_channels, out_channels, kernel_size, stride)
        _, norm = build_norm_layer(self.norm_cfg, out_channels)
        return nn.Sequential(conv, norm, *([nn.ReLU(inplace=True)] if relu else []))

    def downsample_chain(
        self, in_channels: int, out_channels: int, num_steps: int, relu_at_end: bool
    ) -> nn.Sequential:
        """``num_steps`` strided 3x3 convolutions; the last one changes the channels.

        Maps (N, in_channels, H, W) to (N, out_channels, H / 2**num_steps, W / 2**num_steps),
        rounded up.
        """
        return nn.Sequential(
            *(
                self.conv_norm(in_channels, in_channels, 3, stride=2, relu=True)
                for _ in range(num_steps - 1)
            ),
            self.conv_norm(in_channels, out_channels, 3, stride=2, relu=relu_at_end),
        )

    def add_conv_norm(
        self,
        module: nn.Module,
        index: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
    ) -> str:
        """Add ``conv{index}`` and its norm (``bn{index}``, ``gn{index}``) to ``module``.

        Returns:
            The norm's name, which depends on the type of ``norm_cfg``.
        """
        module.add_module(f'conv{index}', self.conv(in_channels, out_channels, kernel_size, stride))
        name, norm = build_norm_layer(self.norm_cfg, out_channels, postfix=index)
        module.add_module(name, norm)
        return name
