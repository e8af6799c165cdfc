"""--trust-checkpoint lets every command read a checkpoint that runs code, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.training.run import check_checkpoint
from hrnet_mm.weights.read import read_checkpoint
from hrnet_mm.weights.trust import trusting
from tests.deploy.helpers import Tiny
from tests.helpers import RunsCode

LoadTool = Callable[[str], ModuleType]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder that is there once a hostile checkpoint has run its code."""
    return tmp_path / 'made'


@pytest.fixture
def hostile(made: Path, tmp_path: Path) -> Callable[[str], str]:
    """A checkpoint with what another holds, which runs code."""

    def write(checkpoint: str) -> str:
        contents = safe_load(checkpoint)
        contents['meta'] = {'epoch': 3, 'note': RunsCode(made), 'path': Path()}
        path = tmp_path / f'hostile {Path(checkpoint).name}'
        torch.save(contents, path)
        return str(path)

    return write


def refused_then_trusted(tool: ModuleType, arguments: list[object], made: Path) -> None:
    arguments = list(map(str, arguments))
    with pytest.raises(UserError, match='is refused: it asks for os.makedirs'):
        tool.main(arguments)
    assert not made.exists()
    tool.main([*arguments, '--trust-checkpoint'])
    assert made.exists()


def test_infer_and_its_detector(
    load_tool: LoadTool, tiny: Tiny, hostile, photos: Path, made: Path
) -> None:
    pose, detector = tiny('face'), tiny('detection')
    arguments = [pose.config, hostile(pose.checkpoint), photos, '--out', made.with_name('out')]
    arguments += ['--device=cpu', '--det-class', 'mouse', '--detector', detector.config]
    refused_then_trusted(load_tool('infer'), [*arguments, hostile(detector.checkpoint)], made)
    arguments[1] = pose.checkpoint
    made.rmdir()
    with pytest.raises(UserError, match='hostile tiny_detection.* is refused'):
        load_tool('infer').main(list(map(str, [*arguments, hostile(detector.checkpoint)])))
    assert not made.exists()


def test_export_whose_head_file_is_read_without_trust(
    load_tool: LoadTool, tiny: Tiny, hostile, made: Path
) -> None:
    model, out = tiny('face'), made.with_name('x.onnx')
    arguments = [model.config, hostile(model.checkpoint), out, '--size', '64x64']
    refused_then_trusted(load_tool('export'), arguments, made)
    meta = read_checkpoint(f'{out}.head.pth')['meta']
    assert meta == {'epoch': 3, 'note': None}


def test_test(tiny: Tiny, hostile, made: Path) -> None:
    checkpoint = hostile(tiny('face').checkpoint)
    with pytest.raises(UserError, match='is refused'):
        check_checkpoint(checkpoint)
    assert not made.exists()
    with trusting():
        check_checkpoint(checkpoint)
    assert made.exists()
