"""Convolutions on the same tensor give the same numbers when they are computed as one."""

import pytest
import torch
from torch import nn

from hrnet_mm.deploy.layers import FusedConv
from hrnet_mm.deploy.merging import Fan, MergedConv
from tests.deploy.nets import assert_same, ready


def conv(out_channels: int, relu: bool, in_channels: int = 8, kernel: int = 3) -> FusedConv:
    layer = nn.Conv2d(in_channels, out_channels, kernel, 2, kernel // 2, bias=False)
    return FusedConv(layer, ready(nn.BatchNorm2d(out_channels)), relu).requires_grad_(False)


@pytest.mark.parametrize('relus', [(0, 1, 0, 1), (1, 1), (0, 0), (1, 0), (0, 1)])
def test_a_mixture_with_and_without_relu(relus: tuple[int, ...]) -> None:
    convs = [conv(4 + i, bool(relu)) for i, relu in enumerate(relus)]
    x = torch.randn(2, 8, 9, 7)
    expected = [c(x) for c in convs]
    assert_same(MergedConv(convs)(x), expected)
    for y, relu in zip(expected, relus, strict=True):
        assert (y.min() >= 0) == bool(relu)


def test_a_fan_merges_the_starts_of_its_chains_by_geometry() -> None:
    chains = {
        3: [conv(8, True), conv(8, True), conv(32, False)],
        2: [conv(8, True), conv(16, False)],
        1: [conv(16, False)],
        0: [conv(4, False, kernel=1)],
    }
    x = torch.randn(1, 8, 21, 13)
    expected = {target: nn.Sequential(*chain)(x) for target, chain in chains.items()}
    merged, separate = Fan(chains, merge=True), Fan(chains, merge=False)
    assert [len(group) for group in merged.groups] == [3, 1]
    assert [len(group) for group in separate.groups] == [1, 1, 1, 1]
    for fan in (merged, separate):
        ends = fan(x)
        assert ends.keys() == chains.keys()
        assert_same([ends[t] for t in chains], [expected[t] for t in chains])


def test_convolutions_with_a_norm_of_their_own_are_not_merged() -> None:
    layer = nn.Conv2d(8, 4, 3, 2, 1, bias=False)
    normed = FusedConv(layer, nn.GroupNorm(2, 4), True).requires_grad_(False)
    chains = {0: [normed], 1: [conv(4, True)], 2: [conv(4, True)]}
    fan = Fan(chains, merge=True)
    assert fan.groups == [[0], [1, 2]]
    x = torch.randn(1, 8, 9, 9)
    assert_same(list(fan(x).values()), [chain[0](x) for chain in chains.values()])
