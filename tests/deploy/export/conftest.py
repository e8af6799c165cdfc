"""Tiny models, files exported of them, and pictures to run both on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
from mmengine.config import Config

from hrnet_mm.commands.export_file import Summary, export
from hrnet_mm.deploy.table import FORMATS
from hrnet_mm.inference import infer
from tests.deploy.helpers import SIZE, Predict, Tiny, Write
from tests.helpers import picture


@pytest.fixture
def write(tiny: Tiny, tmp_path: Path) -> Write:
    """Export a tiny model in a format."""

    def write(name: str, format: str, **options: Any) -> Summary:
        model, kind = tiny(name), FORMATS[format]
        out = tmp_path / f'{name}{kind.suffixes[0]}'
        cfg = Config.fromfile(model.config)
        return export(cfg, model.checkpoint, out, kind, **{'size': SIZE, **options})

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

    def predict(config: str, weights: object) -> dict[str, Any]:
        out = tmp_path / 'out'
        infer(Path(config), str(weights), str(photos), out, device='cpu', draw=False, trust=True)
        return json.loads((out / 'predictions.json').read_text())

    return predict
