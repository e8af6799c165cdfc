"""``hrnet_mm.load``: which configs, weights and detectors it takes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config

import hrnet_mm
from hrnet_mm.base.config_names import find_config, our_configs, published_weights
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.commands import from_arguments
from hrnet_mm.commands.export_file import export
from hrnet_mm.deploy.table import FORMATS
from papers.weights import WEIGHTS
from tests.helpers import CONFIGS, ROOT, RunsCode, picture, web_server
from tests.models_of_hosts import TinyModel

MMPOSE = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'


def test_importing_the_package_loads_nothing_else() -> None:
    code = """
import sys, hrnet_mm
assert {'load', 'infer', 'Result', '__version__'} <= {*dir(hrnet_mm)}
from hrnet_mm import load
assert hrnet_mm.load is load
assert not {'torch', 'numpy', 'cv2', 'mmengine'} & {*sys.modules}, 'they take seconds'
try:
    hrnet_mm.lod
except AttributeError as error:
    assert str(error) == "module 'hrnet_mm' has no attribute 'lod'"
"""
    subprocess.run([sys.executable, '-c', code], check=True)


def test_a_config_is_named_in_four_ways() -> None:
    path = CONFIGS / 'pose/hrnet_w32_coco_256x192.py'
    for name in ('hrnet_w32_coco_256x192', 'hrnet_mm::pose/hrnet_w32_coco_256x192.py', str(path)):
        assert find_config(name).samefile(path)
    assert find_config(path) == path
    assert find_config(MMPOSE).name == MMPOSE.rpartition('/')[2]
    assert {file.stem for file in CONFIGS.rglob('*.py')} == {*our_configs()}


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (
            'hrnet_w32_coco_256x129',
            'there is no config .*; did you mean hrnet_w32_coco_256x192?',
        ),
        ('qqq', 'there is no config qqq$'),
        ('pose/qqq.py', 'there is no config pose/qqq.py$'),
        ('hrnet_mm::pose/qqq.py', 'there is no config hrnet_mm::pose/qqq.py'),
        ('hrnet_mm::pose/hrnet_w32_mpii.py', 'did you mean pose/hrnet_w32_mpii_256x256.py'),
        ('mmpose::nowhere/x.py', 'there is no config mmpose::nowhere/x.py$'),
        ('mmpose::x.py', 'there is no config mmpose::x.py$'),
        ('nothing::pose/x.py', 'there is no config nothing::pose/x.py$'),
    ],
)
def test_a_config_that_is_not_there_is_told_so(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        hrnet_mm.load(name, 'x.pth')


@pytest.fixture(scope='module')
def files(tiny: Any) -> TinyModel:
    return tiny('segmentation')


def labels(image: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return hrnet_mm.load(*arguments, device='cpu', **options)(image).label_map


def test_configs_checkpoints_and_exported_files(files: TinyModel, tmp_path: Path) -> None:
    image = picture(60, 90, seed=0)
    expected = labels(image, files.config, files.checkpoint)
    cfg = Config.fromfile(files.config)
    before = cfg.pretty_text
    options = {'model.decode_head.align_corners': False}
    assert np.array_equal(labels(image, cfg, Path(files.checkpoint), cfg_options=options), expected)
    assert cfg.pretty_text == before
    export(cfg, files.checkpoint, tmp_path / 'x.onnx', FORMATS['onnx'], size=(96, 128))
    assert (labels(image, Path(files.config), tmp_path / 'x.onnx') == expected).mean() > 0.99


@pytest.mark.parametrize(('fast', 'precision'), [(None, None), (True, 'fp32'), ('bf16', 'bf16')])
def test_an_engine_is_made_where_it_is_asked_for(
    files: TinyModel, fast: Any, precision: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, make = [], from_arguments.weights_from
    monkeypatch.setattr(
        from_arguments, 'weights_from', lambda source, fast: asked.append(fast) or make(source)
    )
    hrnet_mm.load(files.config, files.checkpoint, fast=fast, device='cpu')
    assert asked == [precision]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(device='cuda:99'), '--device cuda:99: this machine has no such device'),
        (dict(score_thr=0.5), 'the model gives no scores'),
        (dict(detector=5), 'detector=5 is not a loaded model, or a pair of config and checkpoint'),
        (dict(cfg_options={'modle.x': 1}), 'has no key modle; did you mean model'),
    ],
)
def test_wrong_options_are_told_so(files: TinyModel, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        hrnet_mm.load(files.config, files.checkpoint, **{'device': 'cpu', **options})


def test_a_detector_is_one(files: TinyModel, tiny: Any) -> None:
    face, other = tiny('face'), hrnet_mm.load(files.config, files.checkpoint, device='cpu')
    with pytest.raises(UserError, match='finds no boxes: it is for semantic segmentation'):
        hrnet_mm.load(face.config, face.checkpoint, detector=other)
    pair = (files.config, files.checkpoint)
    with pytest.raises(UserError, match="takes a config of mmdet; .* has default_scope='mmseg'"):
        hrnet_mm.load(face.config, face.checkpoint, detector=pair, device='cpu')


def test_checkpoints_run_nothing_unless_trusted(files: TinyModel, tmp_path: Path) -> None:
    contents = safe_load(files.checkpoint)
    torch.save({**contents, 'meta': RunsCode(tmp_path / 'made')}, tmp_path / 'x.pth')
    with pytest.raises(UserError, match='x.pth is refused'):
        hrnet_mm.load(files.config, tmp_path / 'x.pth')
    assert not (tmp_path / 'made').exists()
    hrnet_mm.load(files.config, tmp_path / 'x.pth', trust=True, device='cpu')
    assert (tmp_path / 'made').exists()


def test_what_is_published_is_in_the_metafiles() -> None:
    found = {name: published_weights(path) for name, path in our_configs().items()}
    known = {Path(config).stem: address for config, address in WEIGHTS.items()}
    assert {name: address for name, address in found.items() if address} == known
    assert f'{len(known)} of our configs have such weights' in (ROOT / 'docs/python.md').read_text()
    assert published_weights(find_config(MMPOSE)) == known['hrnet_w32_coco_256x192']


class Zoo(BaseHTTPRequestHandler):
    """Serves one file under any name, and counts how often."""

    data = b''
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_response(404 if 'none' in self.path else 200)
        self.send_header('Content-Length', str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_weights_that_are_published_are_downloaded_once(
    files: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(files.checkpoint).read_bytes()
    digits, image = hashlib.sha256(data).hexdigest()[:8], picture(60, 90, seed=0)
    zoo = type('Zoo1', (Zoo,), {'data': data})
    expected = labels(image, files.config, files.checkpoint)
    with web_server(zoo, tmp_path / 'home', monkeypatch) as address:
        names = {'right': f'x-{digits}_20200101.pth', 'other': 'x-00000000.pth', 'gone': 'none.pth'}
        entries = [
            {'Name': name, 'Config': f'configs/{name}.py', 'Weights': f'{address}/{file}'}
            for name, file in names.items()
        ]
        (tmp_path / 'metafile.yml').write_text(yaml.safe_dump({'Models': entries}))
        for name in (*names, 'unknown'):
            shutil.copy(files.config, tmp_path / f'{name}.py')
        for _ in range(2):
            assert np.array_equal(labels(image, tmp_path / 'right.py'), expected)
            assert np.array_equal(labels(image, Config.fromfile(tmp_path / 'right.py')), expected)
        assert zoo.requests == 1
        remedy = r'name a checkpoint: load\(config, checkpoint\)'
        for name, message in (
            ('other', 'x-00000000.pth is not the file that its name promises'),
            ('gone', 'none.pth cannot be downloaded: .*404'),
            ('unknown', 'nobody has published weights for unknown that are known'),
        ):
            with pytest.raises(UserError, match=f'{message}.*; {remedy}$'):
                hrnet_mm.load(tmp_path / f'{name}.py', device='cpu')
    with pytest.raises(UserError, match=f'cannot be downloaded: .*refused; {remedy}'):
        hrnet_mm.load(tmp_path / 'other.py', device='cpu')
    assert np.array_equal(labels(image, tmp_path / 'right.py'), expected)  # no network needed
