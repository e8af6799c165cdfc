"""A tiny pose model with random weights, and how tests predict."""

import functools
import json
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from mmdet.apis import init_detector
from mmpose.apis import init_model

import hrnet_mm
from hrnet_mm.inference import Summary, infer
from hrnet_mm.predict.model import Model
from tests.helpers import picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Loaded, Run, Tiny

CONFIG = """
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
model = dict(
    backbone=dict(_delete_=True, type='hrnet_mm.HRNet', arch='w18_small', out_indices=(0,)),
    head=dict(in_channels=16))
"""


@pytest.fixture(scope='session')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('config') / 'tiny pose.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope='session')
def mmpose_model(config: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    model = init_model(config, device='cpu')
    torch.nn.init.normal_(model.head.final_layer.weight, std=0.1)
    return model


@pytest.fixture(scope='session')
def checkpoint(mmpose_model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    meta = {'dataset_meta': mmpose_model.dataset_meta}
    torch.save({'state_dict': mmpose_model.state_dict(), 'meta': meta}, path)
    return path


@pytest.fixture(scope='session')
def pose(config: Path, checkpoint: Path) -> TinyModel:
    """A top-down pose model for bodies."""
    return TinyModel(str(config), str(checkpoint))


@pytest.fixture(scope='session')
def tiny_detector(tiny: Tiny) -> TinyModel:
    return tiny('detection')


@pytest.fixture(scope='session')
def host_detector(tiny_detector: TinyModel) -> torch.nn.Module:
    return init_detector(tiny_detector.config, tiny_detector.checkpoint, device='cpu')


@pytest.fixture
def with_gray(folder: Path) -> Path:
    """The images of ``folder`` and one of a single channel, which the hosts make into three."""
    cv2.imwrite(str(folder / 'gray.png'), picture(80, 100, seed=3)[..., 0])
    return folder


@pytest.fixture(scope='session')
def loaded(tiny: Tiny, pose: TinyModel) -> Loaded:
    """A tiny model, or the ``'pose'`` model, loaded on the CPU and ready to be called."""

    def load(name: str) -> Model:
        files = pose if name == 'pose' else tiny(name)
        return hrnet_mm.load(files.config, files.checkpoint, device='cpu')

    return functools.cache(load)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Predict with a tiny model, on the CPU and into ``out``."""

    def run(model: TinyModel, source: Any, **options: Any) -> Summary:
        options = {'out': tmp_path / 'out', 'device': 'cpu', **options}
        return infer(Path(model.config), Path(model.checkpoint), source, **options)

    return run


@pytest.fixture
def document(tmp_path: Path) -> Document:
    """What ``predictions.json`` in ``out`` holds."""
    return lambda: json.loads((tmp_path / 'out' / 'predictions.json').read_text())
