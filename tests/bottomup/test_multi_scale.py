"""The multi-scale test of the official code, through mmpose's pipeline and estimator."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from mmpose.structures import PoseDataSample
from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.multi_scale import steps_of
from tests.helpers import CONFIGS, picture, randomize, small_extra
from tests.models_of_hosts import build

CONFIG = CONFIGS / 'pose' / 'higherhrnet_w32_coco_512x512.py'
IMAGE = (101, 150)  # height and width


def config(scales: tuple[float, ...], size_factor: int) -> Config:
    cfg = Config.fromfile(CONFIG)
    cfg.model.update(type='hrnet_mm.MultiScaleEstimator')
    cfg.model.test_cfg.update(multiscale_test=True, scales=scales, output_heatmaps=True)
    cfg.model.backbone.update(arch=None, extra=small_extra(), init_cfg=None)
    cfg.model.head.update(in_channels=8, num_blocks=1)
    cfg.val_pipeline[1].update(input_size=(128, 128), size_factor=size_factor)
    return cfg


def predicted(model: nn.Module, cfg: Config, image: np.ndarray) -> Any:
    with DefaultScope.overwrite_default_scope('mmpose'), torch.no_grad():
        steps = Compose(cfg.val_pipeline[1:])
        flip = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))]
        sample = dict(img=image, img_shape=IMAGE, ori_shape=IMAGE, flip_indices=flip)
        return model.test_step(pseudo_collate([steps(sample)]))[0]


def official_scales(image: np.ndarray, input_size: int) -> list[np.ndarray]:
    """Of the scales 1, 2 and 0.5, as get_multi_scale_size and resize_align_multi_scale."""
    height, width = image.shape[:2]
    least = input_size // 2
    other = -(-(least * width / height) // 64) * 64
    made = []
    for scale in (1, 2, 0.5):
        size = np.array([other, least]) * 2 * scale
        ratio = size[1] / height
        matrix = np.array([[ratio, 0, size[0] / 2 - ratio * width / 2], [0, ratio, 0]])
        made.append(cv2.warpAffine(image, matrix, tuple(map(int, size))))
    return made


def test_scales_are_resized_as_in_the_official_code(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    cfg = config((2, 1, 0.5), size_factor=256)
    cfg.val_pipeline[1].update(input_size=(256, 256))
    model = randomize(build(cfg)).eval()
    image, seen = picture(*IMAGE, seed=1), []
    model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    sample = predicted(model, cfg, image)
    mean, std = (
        x.numpy().ravel() for x in (model.data_preprocessor.mean, model.data_preprocessor.std)
    )
    for ours, official in zip(seen[::2], official_scales(image, 128), strict=True):
        ours = (ours[0].permute(1, 2, 0).numpy() * std + mean)[..., ::-1]
        assert ours.shape == official.shape
        assert np.abs(ours - official).max() <= 1.01  # as images are rounded to whole numbers
    assert [x.shape[2:] for x in seen] == [(128, 256)] * 2 + [(256, 512)] * 2 + [(64, 128)] * 2
    assert sample.pred_fields.heatmaps.shape == (17, 128, 256)
    assert sample.pred_fields.tags.shape == (34, 128, 256)


def enlarged(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (..., h, w) between the centres of their pixels, each side by a matrix of weights."""
    for axis, side in ((-2, height), (-1, width)):
        there = maps.shape[axis]
        places = np.clip((np.arange(side) + 0.5) * there / side - 0.5, 0, there - 1)
        matrix = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(there)))
        maps = np.moveaxis(np.moveaxis(maps, axis, -1) @ matrix.T, -1, axis)
    return maps


@pytest.mark.parametrize('restore', [False, True])
@torch.no_grad()
def test_maps_of_three_scales_and_flips_are_averaged_at_odd_sizes(restore: bool) -> None:
    """With a second implementation, in double precision, of what follows the network."""
    torch.manual_seed(0)
    cfg = config((0.5, 1, 2), size_factor=4)
    cfg.model.test_cfg.update(restore_heatmap_size=restore)
    model = randomize(build(cfg)).eval().double()
    nn.init.normal_(model.head.final_layers[0].weight, std=0.3)
    nn.init.normal_(model.head.final_layers[1].weight, std=0.3)
    image = torch.rand(1, 3, 4 * 33, 4 * 47, dtype=torch.float64)  # maps of 17 x 24, 9 x 12, 5 x 6
    flip = [0, *(k for left in range(1, 17, 2) for k in (left + 1, left))]

    heat, tags = [], []
    for step in (4, 2, 1):
        for flipped in (False, True):
            x = image[:, :, ::step, ::step]
            x = x.flip(-1) if flipped else x
            low, high = (maps[0].numpy() for maps in model.head(model.backbone(x)))
            low = enlarged(low, *high.shape[1:])
            pair = [(low[:17] + high) / 2, low[17:]]
            if flipped:
                pair = [maps[flip][..., ::-1] for maps in pair]
            heat.append(pair[0])
            if step == 2:
                tags.append(pair[1])
    size = (66, 94) if restore else heat[2].shape[1:]
    expected = sum(enlarged(maps, *size) for maps in heat) / 6
    expected_tags = np.concatenate([enlarged(maps, *size) for maps in tags])

    sample = PoseDataSample()
    sample.set_metainfo(dict(flip_indices=flip, input_size=(188, 132), img_shape=(132, 188)))
    sample.set_metainfo(dict(input_center=np.zeros(2), input_scale=np.ones(2)))
    [made] = model.predict(image, [sample])
    np.testing.assert_allclose(made.pred_fields.heatmaps, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(made.pred_fields.tags, expected_tags, rtol=0, atol=1e-12)
    assert expected.std() > 0.1 and tuple(heat[4].shape[1:]) == (66, 94)


def test_points_of_several_scales_are_those_of_the_image() -> None:
    torch.manual_seed(0)
    cfg = config((1,), size_factor=64)
    model = randomize(build(cfg)).eval()
    nn.init.normal_(model.head.final_layers[1].weight, std=0.3)
    image = picture(*IMAGE, seed=1)
    once = predicted(model, cfg, image)
    model.test_cfg.update(multiscale_test=False)
    assert len(once.pred_instances.keypoints) > 0
    plain = predicted(model, cfg, image)
    assert np.array_equal(plain.pred_instances.keypoints, once.pred_instances.keypoints)


def test_scales_that_cannot_be_are_named() -> None:
    assert steps_of((0.5, 1, 2)) == [2, 4, 1]
    for scales, words in (((2, 0.5), 'have 1'), ((), 'have 1'), ((1, 1.5), 'whole parts')):
        with pytest.raises(UserError, match=words):
            steps_of(scales)
    cfg = config((1, 0.01), size_factor=64)
    with pytest.raises(UserError, match='set the size_factor of BottomupResize to 6400'):
        predicted(build(cfg).eval(), cfg, picture(*IMAGE, seed=1))
