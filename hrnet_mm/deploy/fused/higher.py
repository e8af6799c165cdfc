"""HigherHRNet's predictions at several resolutions in their inference form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hrnet_mm.deploy.fused.folding import convolution_like, fold, is_foldable, is_plain
from hrnet_mm.deploy.fused.layers import FusedBlock, FusedConv, check_type, computes_like
from hrnet_mm.models.higher import HigherResolution


class FusedHigher(nn.Module):
    """Heatmaps and tags at 1/4, and heatmaps after every doubling of the resolution."""

    def __init__(self, higher: HigherResolution) -> None:
        super().__init__()
        self.predictions = nn.ModuleList(
            FusedConv(conv, None, relu=False) for conv in higher.final_layers
        )
        self.doublings = nn.ModuleList(FusedDoubling(step) for step in higher.deconv_layers)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the HRNet -> what ``HigherResolution`` predicts of the last."""
        x = maps[-1]
        predicted = [self.predictions[0](x)]
        for i, double in enumerate(self.doublings, start=1):
            x = double(x, predicted[-1])
            predicted.append(self.predictions[i](x))
        return predicted


class FusedDoubling(nn.Module):
    """A transposed convolution of two maps, and basic blocks.

    Exact: the transposed convolution of a concatenation is the sum of each map's own with its
    rows of the filters, and the concatenation is never made.
    """

    def __init__(self, step: nn.Sequential) -> None:
        super().__init__()
        (conv, norm, relu), *blocks = step
        check_type(relu, nn.ReLU)
        conv, _ = fold(conv, norm)
        of_features, of_predicted = conv.weight.split(
            [conv.out_channels, conv.in_channels - conv.out_channels]
        )
        none = torch.zeros_like(conv.bias)
        self.features = FusedConv(convolution_like(conv, of_features, conv.bias), None, relu=False)
        self.predicted = FusedConv(convolution_like(conv, of_predicted, none), None, relu=True)
        self.blocks = nn.Sequential(*(FusedBlock(block) for [block] in blocks))

    def forward(self, x: Tensor, predicted: Tensor) -> Tensor:
        """(N, C, H, W) and (N, K, H, W) -> (N, C, 2H, 2W)."""
        return self.blocks(self.predicted(predicted, self.features(x)))


def is_known(higher: HigherResolution) -> bool:
    """Whether it computes as its class, by plain transposed convolutions with batch norms."""
    ups = [(step[0][0], step[0][1]) for step in higher.deconv_layers]
    predicts = higher.predicts and computes_like(higher, HigherResolution)
    return predicts and all(is_plain(conv) and is_foldable(norm) for conv, norm in ups)
