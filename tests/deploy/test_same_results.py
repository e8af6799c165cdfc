"""An exported file, and an engine by ``--fast``, predict what the checkpoint predicts."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn

from hrnet_mm import load
from hrnet_mm.commands.export_file import export
from hrnet_mm.commands.from_arguments import calibration_inputs, weights_from
from hrnet_mm.deploy.table import BACKENDS, FORMATS
from hrnet_mm.kernels.cpu import computes_in
from hrnet_mm.training.run import test as evaluate
from hrnet_mm.weights.trust import trusting
from tests.deploy.helpers import Predict, Tiny, Write, numbers_in, pose_config
from tests.helpers import assert_same, picture

CPU = torch.device('cpu')
CASES = [(name, 'onnx') for name in ('detection', 'segmentation', 'classification', 'face')]
CASES += [(name, '--fast') for name in ('detection', 'segmentation', 'classification', 'face')]
CASES += [(name, 'openvino') for name in ('detection', 'segmentation', 'face')]
CASES += [('higher', how) for how in ('onnx', 'openvino', '--fast')]
CASES += [('associative', '--fast')]
CASES += [('segmentation', 'torch_program')]  # tracing takes seconds


@pytest.mark.parametrize(('name', 'how'), CASES)
def test_infer_predicts_the_same(
    name: str, how: str, write: Write, tiny: Tiny, predict: Predict
) -> None:
    model = tiny(name)
    expected = predict(model.config, model.checkpoint)
    if how == '--fast':
        actual = predict(model.config, model.checkpoint, fast='fp32')
    else:
        actual = predict(model.config, write(name, how).files[0])
    assert actual.keys() == expected.keys()
    assert len(numbers_in(expected['images'])) >= 6
    assert numbers_in(actual['images']) == pytest.approx(numbers_in(expected['images']), abs=0.02)


@pytest.mark.parametrize('how', ['onnx', '--fast'])
@pytest.mark.parametrize('name', ['bottom_up', 'cid', 'associative'])
def test_heads_that_stay_in_python_predict_the_same(
    name: str, how: str, write: Write, tiny: Tiny
) -> None:
    files, image = tiny(name), picture(97, 131, seed=3)
    plain = load(files.config, files.checkpoint, device='cpu')
    if how == '--fast':
        other = load(files.config, files.checkpoint, device='cpu', fast='fp32')
    else:
        other = load(files.config, str(write(name, how).files[0]), device='cpu')
    expected, actual = plain(image), other(image)
    assert len(expected) > 0 and expected.scores.std() > 0.01
    for field in ('keypoints', 'scores', 'box_scores'):
        np.testing.assert_allclose(getattr(actual, field), getattr(expected, field), atol=1e-4)
    odd = torch.randn(1, 3, 97, 131)
    expected, actual = (of_head(loaded.predictor.model.module, odd) for loaded in (plain, other))
    assert_same(actual, expected, tolerance=1e-4)


@torch.no_grad()
def of_head(model: nn.Module, image: Tensor) -> list[Tensor]:
    maps = model(image, None, mode='tensor')
    return [maps] if isinstance(maps, Tensor) else list(maps)


def test_a_runner_tests_the_same(tmp_path: Path) -> None:
    cfg, checkpoint = pose_config(tmp_path)
    theirs, expected = predictions_of(cfg, checkpoint, tmp_path)
    by_others = [(checkpoint, 'fp32')]
    for kind in (FORMATS['onnx'], FORMATS['openvino']):
        out = tmp_path / f'pose{kind.suffixes[0]}'
        export(cfg, checkpoint, out, kind)
        by_others.append((str(out), None))
    for weights, fast in by_others:
        ours, actual = predictions_of(cfg, weights, tmp_path, fast)
        assert ours == pytest.approx(theirs, abs=1e-3) and 'coco/AP' in ours
        assert len(actual) == len(expected) > 0
        for a, e in zip(actual, expected, strict=True):
            assert a['id'] == e['id']
            keypoints = [x['pred_instances']['keypoints'].ravel() for x in (a, e)]
            assert keypoints[0] == pytest.approx(keypoints[1], abs=1e-2)
    logs = ''.join(path.read_text() for path in tmp_path.rglob('*.log'))
    assert "maps by OptimizedFeatures(backend='onnx', precision='fp32')" in logs
    assert logs.count('maps by') == len(by_others)


@pytest.mark.skipif(
    not computes_in('int8') or BACKENDS['openvino'].what_is_missing(CPU, 'int8') is not None,
    reason='needs 8-bit dot products, openvino and nncf',
)
def test_a_runner_tests_in_int8_nearly_the_same(tmp_path: Path) -> None:
    cfg, checkpoint = pose_config(tmp_path)
    _, expected = predictions_of(cfg, checkpoint, tmp_path)
    boxes = tmp_path / 'people/annotations/person_keypoints_val.json'
    images = calibration_inputs(cfg, checkpoint, tmp_path / 'people/val', boxes)
    assert len(images) == 2
    _, actual = predictions_of(cfg, checkpoint, tmp_path, 'int8', images)
    far = []
    for a, e in zip(actual, expected, strict=True):
        keypoints = [x['pred_instances']['keypoints'] for x in (a, e)]
        far.append(np.linalg.norm(keypoints[0] - keypoints[1], axis=-1).ravel())
    assert np.mean(far) > 0 and np.median(far) < 2  # in pixels


def predictions_of(
    cfg: Config,
    weights: str,
    folder: Path,
    fast: str | None = None,
    calibration: Sequence[Tensor] | None = None,
) -> tuple[dict[str, float], list[Any]]:
    """The metrics and the predictions of a Runner."""
    dump = folder / 'predictions.pkl'
    cfg = cfg.copy()
    cfg.work_dir, cfg.launcher = str(folder / 'work'), 'none'
    cfg.test_evaluator = [cfg.test_evaluator, dict(type='DumpResults', out_file_path=str(dump))]
    with trusting():
        metrics = evaluate(cfg, weights_from(weights, fast, calibration))
    return metrics, pickle.loads(dump.read_bytes())
