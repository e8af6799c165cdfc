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
