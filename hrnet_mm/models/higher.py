"""What HigherHRNet adds to HRNet: predictions at 1/4 and, step by step, at twice the resolution."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from hrnet_mm.models.archs import is_positive_int
from hrnet_mm.models.blocks import BasicBlock
from hrnet_mm.models.layers import LayerFactory

# As the official code starts: all convolutions near zero.
DEFAULT_INIT = [
    dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.001),
    dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
]


class HigherResolution(BaseModule):
    """Heatmaps and tags at 1/4, and heatmaps after every doubling of the resolution.

    A 1x1 convolution predicts at 1/4. A step concatenates that to the features, doubles the
    resolution by a transposed convolution, and ends with basic blocks and a 1x1 convolution
    (arXiv 1908.10357). Parameter names are those of the official code,
    lib/models/pose_higher_hrnet.py, and of mmpose 0.x.

    Attributes:
        predicts: False where an engine has done that, and what is given is returned.

    Args:
        in_channels: of HRNet's finest map, and of the maps of every step.
        num_keypoints: heatmaps, and at 1/4 as many tags.
        num_steps: how often the resolution is doubled; the paper does it once.
        num_blocks: basic blocks of a step.
        conv_cfg, norm_cfg: of the layers, by mmcv's registry. Default: Conv2d and BN.
        init_cfg: Default: as the official code.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        num_steps: int = 1,
        num_blocks: int = 4,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or DEFAULT_INIT)
        numbers = dict(in_channels=in_channels, num_keypoints=num_keypoints)
        for name, value in numbers.items():
            if not is_positive_int(value):
                raise ValueError(f'{name}={value!r} must be a positive integer')
        for name, value in dict(num_steps=num_steps, num_blocks=num_blocks).items():
            if value != 0 and not is_positive_int(value):
                raise ValueError(f'{name}={value!r} must be an integer, 0 or more')
        self.num_keypoints = num_keypoints
        self.predicts = True
        layers = LayerFactory(conv_cfg, norm_cfg or dict(type='BN'))
        channels = [2 * num_keypoints, *[num_keypoints] * num_steps]  # predicted at each resolution
        self.final_layers = nn.ModuleList(nn.Conv2d(in_channels, n, 1) for n in channels)
        self.deconv_layers = nn.ModuleList(
            doubling(in_channels + n, in_channels, num_blocks, layers) for n in channels[:-1]
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """HRNet's finest map (N, C, H / 4, W / 4), the last of a tuple as for mmpose's heads.

        Returns:
            (N, 2K, H / 4, W / 4), K heatmaps before K tags, then (N, K, H / 2, W / 2), ...
        """
        if not self.predicts:
            return list(maps)
        x = maps[-1]
        predicted = [self.final_layers[0](x)]
        for double, predict in zip(self.deconv_layers, self.final_layers[1:], strict=True):
            x = double(torch.cat((x, predicted[-1]), dim=1))
            predicted.append(predict(x))
        return predicted

    def without_layers(self) -> HigherResolution:
        """A copy that takes predictions for the maps; all but the layers is shared."""
        rest = copy.copy(self)
        rest._modules = {}
        rest.predicts = False
        return rest


def doubling(
    in_channels: int, out_channels: int, num_blocks: int, layers: LayerFactory
) -> nn.Sequential:
    """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W): transposed convolution, basic blocks."""
    _, norm = build_norm_layer(layers.norm_cfg, out_channels)
    upsampling = nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False),
        norm,
        nn.ReLU(inplace=True),
    )
    # A block in a Sequential of its own, as its name in checkpoints is deconv_layers.0.1.0.conv1.
    blocks = (
        nn.Sequential(BasicBlock(out_channels, out_channels, layers)) for _ in range(num_blocks)
    )
    return nn.Sequential(upsampling, *blocks)
