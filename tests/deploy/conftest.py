"""A small network with an engine of every kind, files exported of tiny models, and pictures."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from mmengine.config import Config
from torch import nn

from hrnet_mm.base.torch_versions import is_older_than
from hrnet_mm.commands.export_file import ExportSummary, export
from hrnet_mm.deploy import optimize
from hrnet_mm.deploy.table import BACKENDS, FORMATS
from hrnet_mm.inference import infer
from hrnet_mm.models import HRNet
from tests.deploy.helpers import SIZE, Made, Predict, Tiny, Write
from tests.helpers import picture, small_net


@pytest.fixture(scope='package')
def engines() -> Made:
    """A backend's name -> the optimised network, and the network."""
    net = small_net(upsample='bilinear').requires_grad_(False)

    @functools.cache
    def made(backend: str) -> tuple[nn.Module, HRNet]:
        if missing := BACKENDS[backend].what_is_missing(torch.device('cpu')):
            pytest.skip(missing)
        return optimize(net, torch.rand(1, 3, 64, 64), backend=backend), net

    return made


@pytest.fixture(scope='session')
def exports(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Export a tiny model in a format; what one test has asked for is there for the next one."""

    @functools.cache
    def once(name: str, format: str, **options: Any) -> ExportSummary:
        model, kind = tiny(name), FORMATS[format]
        if is_older_than(kind.torch):
            pytest.skip(f'{kind.title} needs torch {kind.torch} or newer')
        out = tmp_path_factory.mktemp('export') / f'{name}{kind.suffixes[0]}'
        cfg = Config.fromfile(model.config)
        return export(cfg, model.checkpoint, out, kind, **{'size': SIZE, **options})

    return once


@pytest.fixture
def write(exports: Write, tmp_path: Path) -> Write:
    """As ``exports``, but a copy that the test may change."""

    def write(name: str, format: str, **options: Any) -> ExportSummary:
        done = exports(name, format, **options)
        return replace(done, files=[Path(shutil.copy(file, tmp_path)) for file in done.files])

    return write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two pictures of two sizes."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), picture(96, 128, seed=0))
    cv2.imwrite(str(folder / 'b.png'), picture(120, 90, seed=1))
    return folder


@pytest.fixture
def predict(photos: Path, tmp_path: Path) -> Predict:
    """What ``infer`` writes into predictions.json for the photos."""

    def predict(config: str, weights: object, fast: str | None = None) -> dict[str, Any]:
        out, options = tmp_path / 'out', dict(device='cpu', draw=False, trust=True, fast=fast)
        infer(Path(config), str(weights), str(photos), out, **options)
        return json.loads((out / 'predictions.json').read_text())

    return predict
