"""What the tests of engines and of exported files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.commands.export_file import ExportSummary
from hrnet_mm.models import HRNet
from tests.helpers import CONFIGS
from tests.models_of_hosts import POSE_TRAINING, TinyModel, build

# Without inductor, which compiles anew for every copy.
EVERY_ENGINE = ['eager', 'native', 'onnxruntime', 'openvino']
SIZE = (96, 128)  # height and width for which tiny models are exported

# What the fixtures of these folders are.
Made = Callable[[str], tuple[nn.Module, HRNet]]
Tiny = Callable[[str], TinyModel]
Write = Callable[..., ExportSummary]
Predict = Callable[..., dict[str, Any]]


def numbers_in(value: Any) -> list[float]:
    """Every number in what JSON gave, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in numbers_in(part)]
    return [float(value)] if isinstance(value, int | float) else []


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
