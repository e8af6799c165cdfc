"""What is predicted through an exported file is what is predicted through the checkpoint."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.commands.export_file import export
from hrnet_mm.commands.from_arguments import weights_from
from hrnet_mm.deploy.export.formats import FORMATS
from hrnet_mm.training.run import test as evaluate
from hrnet_mm.weights.trust import trusting
from tests.deploy.export.conftest import Predict, Tiny, Write
from tests.helpers import CONFIGS
from tests.models_of_hosts import POSE_TRAINING, build

CASES = [(name, 'onnx') for name in ('detection', 'segmentation', 'classification', 'face')]
CASES += [(name, 'openvino') for name in ('detection', 'segmentation', 'face')]
CASES += [('segmentation', 'torch_program')]  # tracing takes seconds


@pytest.mark.parametrize(('name', 'format'), CASES)
def test_infer_predicts_the_same(
    name: str, format: str, write: Write, tiny: Tiny, predict: Predict
) -> None:
    model = tiny(name)
    done = write(name, format)
    expected = predict(model.config, model.checkpoint)
    actual = predict(model.config, done.files[0])
    assert actual.keys() == expected.keys()
    assert len(numbers_in(expected['images'])) >= 6
    assert numbers_in(actual['images']) == pytest.approx(numbers_in(expected['images']), abs=0.02)


def numbers_in(value: Any) -> list[float]:
    """Every number in what JSON gave, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in numbers_in(part)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize('format', ['onnx', 'openvino'])
def test_a_runner_tests_the_same(format: str, tmp_path: Path) -> None:
    cfg, checkpoint = pose_config(tmp_path)
    out = tmp_path / f'pose{FORMATS[format].suffixes[0]}'
    export(cfg, checkpoint, out, FORMATS[format])
    (ours, actual), (theirs, expected) = (
        predictions_of(cfg, weights, tmp_path) for weights in (str(out), checkpoint)
    )
    assert ours == pytest.approx(theirs, abs=1e-3) and 'coco/AP' in ours
    assert len(actual) == len(expected) > 0
    for a, e in zip(actual, expected, strict=True):
        assert a['id'] == e['id']
        keypoints = [x['pred_instances']['keypoints'].ravel() for x in (a, e)]
        assert keypoints[0] == pytest.approx(keypoints[1], abs=1e-2)


def pose_config(folder: Path) -> tuple[Config, str]:
    """A config of synthetic people, and a checkpoint whose heatmaps have clear peaks.

    The peaks are decoded by MSRA's rule: UDP's magnifies rounding where a heatmap is flat.
    """
    people = make_synthetic_people(folder / 'people', 1, 2, image_size=(160, 128), progress=None)
    path, checkpoint = folder / 'tiny_pose.py', folder / 'tiny_pose.pth'
    path.write_text(POSE_TRAINING.format(configs=CONFIGS))
    cfg = Config.fromfile(path)
    for loader in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        cfg[loader].dataset.data_root = f'{people}/'
    cfg.test_evaluator.ann_file = f'{people}/annotations/person_keypoints_val.json'
    cfg.model.head.decoder.update(type='MSRAHeatmap', sigma=2)
    cfg.model.head.decoder.pop('blur_kernel_size')
    model = build(cfg.copy())
    torch.nn.init.normal_(model.head.final_layer.weight, std=10)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, checkpoint)
    return cfg, str(checkpoint)


def predictions_of(cfg: Config, weights: str, folder: Path) -> tuple[dict[str, float], list[Any]]:
    """The metrics and the predictions of a Runner."""
    dump = folder / 'predictions.pkl'
    cfg = cfg.copy()
    cfg.work_dir, cfg.launcher = str(folder / 'work'), 'none'
    cfg.test_evaluator = [cfg.test_evaluator, dict(type='DumpResults', out_file_path=str(dump))]
    with trusting():
        metrics = evaluate(cfg, weights_from(weights))
    return metrics, pickle.loads(dump.read_bytes())
