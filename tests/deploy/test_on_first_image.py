"""``--fast`` of infer and test: an engine made for the images that come, the same results."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import torch

from hrnet_mm.commands.from_arguments import weights_from
from hrnet_mm.deploy.optimize import optimize_on_first_image
from hrnet_mm.deploy.trunk import OptimizedFeatures
from hrnet_mm.inference import infer
from hrnet_mm.models import HRNet
from hrnet_mm.training.run import test as evaluate
from tests.deploy.helpers import numbers_in, pose_config
from tests.helpers import assert_same, picture, small_net
from tests.models_of_hosts import make_tiny_model


def test_the_engine_is_made_for_the_first_image_and_kept() -> None:
    net = small_net()
    fast = optimize_on_first_image(net, backend='eager')
    assert fast.features is None and not list(fast.parameters())
    for size in [(64, 96), (33, 47)]:
        image = torch.randn(1, 3, *size)
        assert_same(fast(image), net(image))
    features = fast.features
    assert isinstance(features, OptimizedFeatures)
    fast(image)
    assert fast.features is features


def test_a_wrong_precision_is_told_before_an_image_comes() -> None:
    with pytest.raises(ValueError, match="precision='fp8' must be one of fp32, bf16, fp16"):
        optimize_on_first_image(HRNet('w18_small').eval(), precision='fp8')


@pytest.mark.parametrize('name', ['detection', 'segmentation', 'classification', 'face'])
def test_infer_predicts_the_same(name: str, tmp_path: Path) -> None:
    tiny = make_tiny_model(name, tmp_path)
    cv2.imwrite(str(tmp_path / 'photo.png'), picture(96, 128, seed=1))
    predictions = []
    for fast in (None, 'fp32'):
        out = tmp_path / f'out_{fast}'
        options = dict(out=out, device='cpu', draw=False, fast=fast)
        infer(tiny.config, tiny.checkpoint, str(tmp_path / 'photo.png'), **options)
        predictions.append(json.loads((out / 'predictions.json').read_text())['images'])
    expected, actual = map(numbers_in, predictions)
    assert len(expected) >= 2 and actual == pytest.approx(expected, abs=0.02)


def test_a_runner_tests_the_same(tmp_path: Path) -> None:
    metrics = []
    for fast in (None, 'fp32'):
        cfg, checkpoint = pose_config(tmp_path)
        cfg.load_from, cfg.work_dir = checkpoint, str(tmp_path / 'run')
        metrics.append(evaluate(cfg, weights_from(cfg.load_from, fast)))
    assert metrics[1] == pytest.approx(metrics[0], abs=1e-3) and 'coco/AP' in metrics[0]


def test_a_model_without_our_hrnet_is_told_what_to_do() -> None:
    with pytest.raises(TypeError, match='hrnet_mm.takeover'):
        optimize_on_first_image(torch.nn.Conv2d(3, 3, 1).eval())
