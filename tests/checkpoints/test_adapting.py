"""A first convolution for other images computes what it can of the old one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hrnet_mm.checkpoints.adapting import adapt_input

WEIGHT = torch.randn(8, 3, 3, 3)


def test_grey_image_gives_what_it_gave_in_colour() -> None:
    grey = torch.rand(1, 1, 9, 9)
    expected = F.conv2d(grey.expand(1, 3, 9, 9), WEIGHT)
    torch.testing.assert_close(F.conv2d(grey, adapt_input(WEIGHT, 1)), expected)


@pytest.mark.parametrize('channels', [2, 4, 6, 7])
def test_more_channels_repeat_the_weights_and_keep_the_scale(channels: int) -> None:
    adapted = adapt_input(WEIGHT, channels)
    assert adapted.shape == (8, channels, 3, 3)
    for i in range(channels):
        torch.testing.assert_close(adapted[:, i], WEIGHT[:, i % 3] * 3 / channels)


def test_whole_repetitions_give_the_same_output() -> None:
    image = torch.rand(1, 3, 9, 9)
    twice = F.conv2d(torch.cat([image, image], 1), adapt_input(WEIGHT, 6))
    torch.testing.assert_close(twice, F.conv2d(image, WEIGHT))


def test_grey_weights_serve_colour_images() -> None:
    grey = torch.rand(1, 1, 9, 9)
    weight = adapt_input(WEIGHT[:, :1], 3)
    torch.testing.assert_close(
        F.conv2d(grey.expand(1, 3, 9, 9), weight), F.conv2d(grey, WEIGHT[:, :1])
    )
