"""Memory is counted exactly where it can be."""

import torch
from torch import nn

from hrnet_mm.benchmark.memory import PeakMemory, saved_bytes

MB = 2**20


def test_counts_what_the_backward_pass_needs_once() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())
    image = torch.randn(2, 3, 16, 16)
    # The image, and the map after each ReLU, which the next convolution reads too.
    expected = 4 * 2 * 16 * 16 * (3 + 8 + 8)
    assert saved_bytes(net, lambda: net(image)) == expected


def test_weights_are_not_activations() -> None:
    net = nn.BatchNorm2d(4).eval()
    image = torch.randn(1, 4, 8, 8, requires_grad=True)
    assert saved_bytes(net, lambda: net(image)) == image.nbytes


def test_the_peak_is_seen_after_the_memory_is_free_again() -> None:
    memory = PeakMemory('cpu')
    memory.reset()
    before = memory.now()
    torch.ones(64 * MB // 4).sum()
    assert memory.peak() - before > 48 * MB
    assert memory.now() - before < 32 * MB
