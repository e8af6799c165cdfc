"""The two forms of FCN on HRNetV2, a neck or ``resize_concat`` in the head, are one network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.configs.tiny import build
from tests.helpers import relative_difference

WITH_NECK = 'seg/fcn_hrnetv2_w48_cityscapes_512x1024.py'
RESIZE_CONCAT = 'seg/fcn_hrnetv2_w48_cityscapes_512x1024_resize_concat.py'
IN_NECK, IN_HEAD = 'neck.fuse_conv.', 'decode_head.convs.0.'


def renamed(weights: dict[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {
        new + name.removeprefix(old) if name.startswith(old) else name: weight
        for name, weight in weights.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ('source', 'target', 'old', 'new'),
    [(WITH_NECK, RESIZE_CONCAT, IN_NECK, IN_HEAD), (RESIZE_CONCAT, WITH_NECK, IN_HEAD, IN_NECK)],
    ids=['neck_to_resize_concat', 'resize_concat_to_neck'],
)
@torch.no_grad()
def test_weights_convert_by_renaming_one_convolution(
    source: str, target: str, old: str, new: str
) -> None:
    there, here = build(source).eval(), build(target).eval()
    here.load_state_dict(renamed(there.state_dict(), old, new), strict=True)
    image = torch.rand(1, 3, 64, 96)
    assert relative_difference(here(image), there(image)) < 1e-5
