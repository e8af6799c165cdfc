"""The layout changes no number, in no host."""

from copy import deepcopy

import pytest
import torch
from mmdet.structures.bbox import bbox2roi

from hrnet_mm.training.hooks.channels_last import use_channels_last
from tests.configs.tiny import build


@pytest.mark.parametrize(
    'config',
    [
        'demo/hrnet_small_synthetic_128x96.py',
        'demo/fcn_hrnetv2_w18_small_synthetic_320x256.py',
        'demo/mask_rcnn_hrnetv2p_w18_small_synthetic_320x256.py',
    ],
)
@torch.no_grad()
def test_the_maps_stay_the_same(config: str) -> None:
    model = build(config).eval()
    image = torch.randn(2, 3, 96, 128)
    expected = model.extract_feat(image)
    use_channels_last(model)
    assert model.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    for actual, before in zip(model.extract_feat(image), expected, strict=True):
        torch.testing.assert_close(actual, before)


@torch.no_grad()
def test_regions_of_a_detector_stay_the_same() -> None:
    """RoIAlign reads a channels-last map wrongly, without a word."""
    model = build('demo/mask_rcnn_hrnetv2p_w18_small_synthetic_320x256.py').eval()
    changed = deepcopy(model)
    use_channels_last(changed)
    image = torch.randn(1, 3, 96, 128)
    regions = bbox2roi([torch.tensor([[3.0, 5.0, 60.0, 90.0], [20.0, 8.0, 120.0, 40.0]])])
    expected, actual = (
        net.roi_head.bbox_roi_extractor(net.extract_feat(image)[:4], regions)
        for net in (model, changed)
    )
    assert expected.std() > 0
    torch.testing.assert_close(actual, expected)


def test_deformable_convolutions_of_a_head_run() -> None:
    model = build('pose/dekr_hrnet_w32_coco_512x512.py').eval()
    use_channels_last(model)
    with torch.no_grad():
        maps = model.head(model.extract_feat(torch.randn(1, 3, 64, 64)))
    assert all(torch.isfinite(level).all() for level in maps)
