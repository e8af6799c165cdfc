"""Every line of docs/python.md runs, and gives what stands behind it."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest

from hrnet_mm.base import config_names, inputs
from hrnet_mm.weights import sources as checkpoints
from tests.helpers import ROOT, picture
from tests.models_of_hosts import make_tiny_model

BLOCK = re.compile(r'^```python\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r'^(.*?)  # ([(<\[\d].*|bool)$')  # code, and its value


class Camera:
    """What OpenCV opens by a number; paths it opens as ever."""

    def __new__(cls, source: Any, opened: Any = cv2.VideoCapture) -> Any:
        return super().__new__(cls) if isinstance(source, int) else opened(source)

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def get(self, what: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, Any]:
        return True, picture(40, 50, seed=0)

    def release(self) -> None:
        """Nothing is held."""


@pytest.fixture
def at_work(tmp_path: Path, tiny: Any, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files of the page, whose models are tiny ones."""
    monkeypatch.chdir(tmp_path)
    tiny_pose = make_tiny_model('pose', tmp_path)
    models = {
        'hrnet_w32_coco_256x192': tiny_pose,
        'mask_rcnn_hrnetv2p_w18_coco_1x': tiny('detection'),
    }
    configs = {}
    for name, files in models.items():
        configs[name] = Path(shutil.copy(files.config, tmp_path / f'{name}.py'))
    Path('configs').mkdir()
    shutil.copy(tiny_pose.config, 'configs/mine.py')
    shutil.copy(tiny_pose.checkpoint, 'pose.pth')
    shutil.copy(tiny('detection').checkpoint, 'mask_rcnn.pth')
    Path('photos').mkdir()
    cv2.imwrite('photo.jpg', picture(140, 120, seed=0))
    shutil.copy('photo.jpg', 'photos')
    video.rename('clip.mp4')
    categories = [dict(id=n, name=name) for n, name in enumerate(class_names())]
    images = [dict(id=3, file_name='photo.jpg')]
    Path('annotations.json').write_text(json.dumps(dict(images=images, categories=categories)))
    monkeypatch.setattr(config_names, 'our_configs', lambda: configs)
    monkeypatch.setattr(config_names, '_of_package', lambda *_: configs['hrnet_w32_coco_256x192'])
    monkeypatch.setattr(config_names, 'published_weights', lambda path: 'https://example.org/x.pth')
    fetch = checkpoints.fetch
    published = dict.fromkeys(['https://example.org/x.pth'], 'pose.pth')
    monkeypatch.setattr(checkpoints, 'fetch', lambda source: fetch(published.get(source, source)))
    monkeypatch.setattr(inputs, 'download_into', lambda url, path: shutil.copy('photo.jpg', path))
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)


def class_names() -> list[str]:
    from mmdet.datasets import CocoDataset

    return list(CocoDataset.METAINFO['classes'])


def test_every_line_of_the_page_runs(at_work: None) -> None:
    names: dict[str, Any] = {}
    shown = 0
    for block in BLOCK.findall((ROOT / 'docs/python.md').read_text()):
        lines = block.splitlines()
        for part in ast.parse(block).body:
            code = '\n'.join(lines[part.lineno - 1 : part.end_lineno])
            exec(compile(code, 'docs/python.md', 'exec'), names)
            if isinstance(part, ast.Expr) and (found := SHOWN.match(code)):
                value = eval(re.sub(r'^print\((.*)\)$', r'\1', found[1]), names)
                assert found[2] in (str(value), repr(value)), code
                shown += 1
    assert shown > 8
    assert Path('out.jpg').is_file() and Path('drawn/photo.jpg').is_file()
    assert {entry['image_id'] for entry in json.loads(Path('results.json').read_text())} == {3}
