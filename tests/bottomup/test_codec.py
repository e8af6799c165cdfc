"""Targets against a second construction, and through mmpose's own pipeline."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope
from torch import nn
from xtcocotools import mask as cocomask

from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.codec import HeatmapsAndTags
from tests.helpers import CONFIGS

SIZE, K = (96, 64), 4  # width and height
CODEC = dict(type='hrnet_mm.bottomup.codec.HeatmapsAndTags', input_size=SIZE)


def plain_targets(keypoints: np.ndarray, visible: np.ndarray, stride: int) -> tuple[Any, Any]:
    """Pixel by pixel, as lib/dataset/target_generators of the official code does with sigma 2."""
    width, height = SIZE[0] // stride, SIZE[1] // stride
    heatmaps = np.zeros((K, height, width))
    indices = np.zeros((len(keypoints), K, 2), int)
    for p, person in enumerate(keypoints):
        for k, (x, y) in enumerate(person):
            column, row = int(x / stride), int(y / stride)
            if not visible[p, k] or not (0 <= column < width and 0 <= row < height):
                continue
            indices[p, k] = row * width + column, 1
            for i in range(max(0, row - 7), min(height, row + 8)):
                for j in range(max(0, column - 7), min(width, column + 8)):
                    heat = math.exp(-((i - row) ** 2 + (j - column) ** 2) / 8)
                    heatmaps[k, i, j] = max(heatmaps[k, i, j], heat)
    return heatmaps, indices


def test_regions_that_are_no_polygons_mask_nothing() -> None:
    step = TRANSFORMS.build(dict(type='hrnet_mm.BottomupGetHeatmapMask', _scope_='mmpose'))
    square = [10, 10, 20, 10, 20, 20, 10, 20]
    mask = step._segs_to_mask([[[1, 2, 3]], [[1, 2, 30, 40], square], [], square], (64, 96))
    assert np.array_equal(mask, step._segs_to_mask([[square]], (64, 96))) and mask.any()


@pytest.mark.parametrize('stride', [2, 4])
def test_targets_equal_a_second_construction(stride: int) -> None:
    rng = np.random.default_rng(stride)
    keypoints = np.float32(rng.uniform(-10, 1.1, (6, K, 2)) * SIZE)
    keypoints[0, :3] = [[-0.5, 3], [95.9, 63.9], [96, 10]]
    keypoints[1:] = np.abs(keypoints[1:]) % (1.1 * np.float32(SIZE))
    visible = rng.random((6, K)) < 0.7
    codec = HeatmapsAndTags(SIZE, (SIZE[0] // stride, SIZE[1] // stride))
    made = codec.encode(keypoints, np.float32(visible))
    heatmaps, indices = plain_targets(keypoints, visible, stride)
    np.testing.assert_allclose(made['heatmaps'], heatmaps, atol=1e-7)
    seen = indices[..., 1]
    assert np.array_equal(made['keypoint_indices'][..., 1], seen) and 0 < seen.sum() < seen.size
    assert np.array_equal(made['keypoint_indices'][..., 0] * seen, indices[..., 0])


def test_people_are_found_where_they_were() -> None:
    keypoints = np.float32(
        [[[10, 12], [40, 12], [12, 50], [42, 49]], [[60, 20], [90, 21], [62, 44], [91, 59]]]
    )
    codec = HeatmapsAndTags(SIZE, SIZE)
    heatmaps = codec.encode(keypoints)['heatmaps']
    tags = np.zeros((K, 1, *SIZE[::-1]), np.float32)
    tags[..., 50:] = 5
    found = codec.decode((heatmaps, tags))
    assert found.keypoints.shape == (2, K, 2)
    np.testing.assert_allclose(found.keypoints, keypoints + 0.5, atol=0.26)


def test_sizes_that_do_not_fit_and_too_many_people_are_refused() -> None:
    for size in ((510, 510), (512, 256)):
        with pytest.raises(UserError, match=r'heatmap_size=\(128, 128\) must be input_size='):
            HeatmapsAndTags(size, (128, 128))
    codec = HeatmapsAndTags(SIZE, (24, 16), max_num_people=2)
    of_three = np.full((3, K, 2), 5.0)
    codec.encode(of_three, np.array([[1] * K, [1] * K, [0] * K]))
    with pytest.raises(
        UserError, match='an image has 3 people with keypoints, more than the max_n'
    ):
        codec.encode(of_three)


def sample() -> dict[str, Any]:
    """An image of three people, a crowd as run lengths, somebody without keypoints as a polygon."""
    crowd = np.zeros(SIZE[::-1], np.uint8, 'F')
    crowd[40:, 60:] = 1
    compressed = cocomask.encode(crowd)
    inverted = np.flatnonzero(np.diff(np.pad(crowd.T.ravel(), 1, mode='empty')[1:-1].astype(int)))
    counts = np.diff([0, *(inverted + 1), crowd.size]).tolist()
    assert np.array_equal(
        cocomask.decode(cocomask.frPyObjects(dict(size=SIZE[::-1], counts=counts), *SIZE[::-1])),
        crowd,
    )
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(0, 256, (*SIZE[::-1], 3), np.uint8),
        img_shape=SIZE[::-1],
        ori_shape=SIZE[::-1],
        keypoints=np.float32(rng.uniform(0, 1, (3, K, 2)) * SIZE),
        keypoints_visible=np.ones((3, K), np.float32),
        flip_indices=[1, 0, 3, 2],
        invalid_segs=[
            dict(size=SIZE[::-1], counts=counts),
            dict(size=SIZE[::-1], counts=compressed['counts']),
            [[2, 2, 20, 2, 20, 20, 2, 20]],
            [],
            None,
        ],
    )


def run(steps: list[dict[str, Any]], results: dict[str, Any]) -> Any:
    with DefaultScope.overwrite_default_scope('mmpose'):
        for step in steps:
            results = TRANSFORMS.build(step)(results)
    return results


@pytest.mark.parametrize('name', ['dekr_hrnet_w32', 'cid_hrnet_w32', 'ae_hrnet_w32'])
def test_configs_mask_crowds_and_people_without_keypoints(name: str) -> None:
    cfg = Config.fromfile(CONFIGS / f'pose/{name}_coco_512x512.py')
    steps = cfg.train_dataloader.dataset.pipeline[1:]  # the image is there
    steps[0].update(input_size=(512, 512), shift_prob=0, scale_prob=0, rotate_prob=0)
    steps[1].update(prob=0.0)
    image = sample()
    keypoints = np.float32(np.random.default_rng(1).uniform(5, 60, (3, 17, 2)))
    image.update(keypoints=keypoints, keypoints_visible=np.ones((3, 17), np.float32))
    image.update(flip_indices=list(range(17)), bbox=np.float32([[0, 0, 90, 60]] * 3))
    image.update(area=np.float32([5000] * 3), id=[1, 2, 3], category_id=[1] * 3)
    target = run(steps, image)['data_samples']
    made = target.gt_fields.heatmap_mask.reshape(128, 128).numpy()
    free = np.ones((64, 96), bool)
    free[40:, 60:] = free[2:21, 2:21] = False
    # The image of 96 x 64 is enlarged to 768 x 512 and cut to its middle: 2 x 2 of the map a pixel.
    expected = np.kron(free[:, 16:-16], np.ones((2, 2), bool))
    assert (made != expected).mean() < 0.02 and not made.all()

    torch.manual_seed(0)
    narrow = dict(num_displacement_filters_per_keypoint=1) if name.startswith('dekr') else {}
    with DefaultScope.overwrite_default_scope('mmpose'):
        head = MODELS.build(dict(cfg.model.head, in_channels=8, **narrow))
    feats = (torch.randn(1, 8, 128, 128),)
    first = heatmap_losses(head, feats, target)
    target.gt_fields.heatmaps[:, ~made] = 0.3
    assert heatmap_losses(head, feats, target) == first
    target.gt_fields.heatmaps[:, made] += 0.3
    assert heatmap_losses(head, feats, target) != first


@torch.no_grad()
def heatmap_losses(head: nn.Module, feats: Any, target: Any) -> list[float]:
    losses = head.loss(feats, [target], train_cfg={})
    found = [losses.get(k) for k in ('loss/heatmap', 'loss/heatmap_coupled', 'loss_heatmaps_0')]
    return [float(loss) for loss in found if loss is not None]


def test_mmpose_packs_targets_of_both_resolutions() -> None:
    codecs = [CODEC | dict(heatmap_size=size) for size in ((24, 16), (48, 32))]
    whole = dict(shift_prob=0, scale_prob=0, rotate_prob=0)
    packed = run(
        [
            dict(type='BottomupRandomAffine', input_size=SIZE, **whole),
            dict(type='RandomFlip', direction='horizontal', prob=1.0),
            dict(type='GenerateTarget', encoder=codecs, multilevel=True),
            dict(type='hrnet_mm.BottomupGetHeatmapMask'),
            dict(type='PackPoseInputs'),
        ],
        sample(),
    )['data_samples']
    fields = packed.gt_fields.levels()
    assert [tuple(x.heatmaps.shape) for x in fields] == [(K, 16, 24), (K, 32, 48)]
    assert packed.gt_instance_labels.keypoint_indices.shape == (2, 3, K, 2)
    free = fields[1].heatmap_mask.reshape(32, 48)
    expected = np.ones((64, 96), bool)
    expected[40:, 60:] = expected[2:21, 2:21] = False
    differs = free.numpy() != expected[::2, ::-1][:, ::2]
    assert differs.mean() < 0.02 and not free.all()
