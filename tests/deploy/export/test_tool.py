"""tools/export.py as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import forked_tools
from tests.deploy.helpers import Tiny
from tests.helpers import run_tool


@pytest.mark.slow
def test_tool_exports_and_infer_takes_the_file(tiny: Tiny, photos: Path, tmp_path: Path) -> None:
    model, out = tiny('face'), tmp_path / 'face.onnx'
    done = run_tool('export.py', model.config, model.checkpoint, out, '--size', '64x96')
    assert done.returncode == 0, done.stderr
    assert 'ONNX, fp32\n' in done.stdout and 'w18_small and HRNetV2: image (N, 3,' in done.stdout
    assert 'on images of 1 x 3 x 64 x 96 and' in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f'tools/infer.py {model.config} {out} photo.jpg')
    used = run_tool('infer.py', model.config, out, photos, '--out', tmp_path / 'out')
    assert used.returncode == 0, used.stderr
    assert used.stdout.splitlines()[-1].startswith('2 images, 2 instances, ')


@pytest.mark.slow
def test_tool_fails_with_one_sentence(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny('face')
    arguments = model.config, model.checkpoint, tmp_path / 'x.trt'
    failed = forked_tools.run_tool('export.py', *arguments, cwd=tmp_path)
    assert failed.returncode == 2 and 'Traceback' not in failed.stderr
    assert 'x.trt: the name must end in one of .onnx, .pt2, .xml\n' in failed.stderr
    assert not list(tmp_path.iterdir())
