"""Convolutions that read the same tensor, computed as one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.deploy.folding import convolution_like
from hrnet_mm.deploy.layers import FusedConv


class MergedConv(nn.Module):
    """Convolutions of one geometry on the same tensor, as one convolution.

    Exact: each output channel of a convolution is computed from the input and its own filter
    alone, so that filters may be stacked in any order. Those with a ReLU come first, so that it
    runs on one range of channels and the others are left alone. The results are views.

    Args:
        convs: plain convolutions, see :func:`mergeable`.
    """

    def __init__(self, convs: Sequence[FusedConv]) -> None:
        super().__init__()
        self.order = sorted(range(len(convs)), key=lambda i: not convs[i].relu)
        ordered = [convs[i] for i in self.order]
        self.conv = convolution_like(
            ordered[0].conv,
            torch.cat([c.conv.weight for c in ordered]),
            torch.cat([c.conv.bias for c in ordered]),
        )
        widths = [c.conv.out_channels for c in ordered]
        num_relu = sum(c.relu for c in ordered)
        self.widths_relu, self.widths_linear = widths[:num_relu], widths[num_relu:]

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> each convolution's output, in the order they were given."""
        y = self.conv(x)
        rectified, linear = torch.split(y, [sum(self.widths_relu), sum(self.widths_linear)], dim=1)
        rectified = F.relu(rectified, inplace=True)
        parts = torch.split(rectified, self.widths_relu, 1) if self.widths_relu else ()
        parts += torch.split(linear, self.widths_linear, 1) if self.widths_linear else ()
        outputs = dict(zip(self.order, parts, strict=True))
        return [outputs[i] for i in range(len(parts))]


class Fan(nn.Module):
    """Chains of convolutions that start from the same tensor, their first ones merged.

    Args:
        chains: for each target, its convolutions in a row.
        merge: whether to merge; otherwise every convolution is by itself.
    """

    def __init__(self, chains: Mapping[int, Sequence[FusedConv]], merge: bool) -> None:
        super().__init__()
        self.groups = list(_groups({t: chain[0] for t, chain in chains.items()}, merge))
        self.starts = nn.ModuleList(
            chains[group[0]][0] if len(group) == 1 else MergedConv([chains[t][0] for t in group])
            for group in self.groups
        )
        self.rests = nn.ModuleDict(
            {str(t): nn.Sequential(*chain[1:]) for t, chain in chains.items()}
        )

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """(N, in_channels, H, W) -> for each target, the end of its chain."""
        ends = {}
        for group, start in zip(self.groups, self.starts, strict=True):
            outputs = start(x) if len(group) > 1 else [start(x)]
            for target, y in zip(group, outputs, strict=True):
                ends[target] = self.rests[str(target)](y)
        return ends


def _groups(convs: Mapping[int, FusedConv], merge: bool) -> Iterator[list[int]]:
    """The targets whose convolutions can be one."""
    groups: dict[Hashable, list[int]] = {}
    for target, conv in convs.items():
        alone = not merge or not conv.is_plain or conv.conv.groups > 1
        groups.setdefault(target if alone else _geometry(conv.conv), []).append(target)
    yield from groups.values()


def _geometry(conv: nn.Conv2d) -> Hashable:
    return conv.kernel_size, conv.stride, conv.padding, conv.dilation
