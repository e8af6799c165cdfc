"""What a command imports before it answers: seconds are for those who ask for a model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch
from mmpose.datasets import CocoDataset

from hrnet_mm.base.torch_versions import is_older_than
from hrnet_mm.commands.hrnet import PROGRAMS
from tests.helpers import ROOT, picture
from tests.models_of_hosts import TinyModel

SLOW = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmpose', 'mmseg', 'mmpretrain'}
# Runs a module as a program and then writes to stderr which modules there are.
RUN = """
import json, sys
from hrnet_mm.commands.program import run_program
try:
    run_program(sys.argv.pop(1))
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
OF_THE_CHECKOUT = ('benchmark.command', 'papers.command', 'demo.demo', 'demo.make_dataset')


def run(module: str, *arguments: object) -> tuple[subprocess.CompletedProcess, set[str]]:
    """A program as it ended, and the modules that it had imported."""
    command = [sys.executable, '-c', RUN, module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    [listed] = [line for line in done.stderr.splitlines() if line.startswith('["')]
    return done, set(json.loads(listed))


@pytest.mark.parametrize('module', [*(module for module, _ in PROGRAMS.values()), *OF_THE_CHECKOUT])
def test_help_and_a_wrong_option_import_nothing_slow(module: str) -> None:
    for option, code in (('--help', 0), ('--nonsense', 2)):
        done, imported = run(module, option)
        assert done.returncode == code and 'usage: ' in done.stdout + done.stderr
        assert not imported & SLOW


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ('infer absent.py x.pth photos', 'there is no config absent.py'),
        ('infer hrnet_w32_coco_256x19 x.pth photos', 'did you mean hrnet_w32_coco_256x192?'),
        ('infer hrnet_w32_coco_256x192 absent.pth photos', 'there is no checkpoint absent.pth'),
        ('infer hrnet_w32_coco_256x192 README.md photos', 'no image, folder or video photos'),
        ('test hrnet_w32_coco_256x192 absent.onnx', 'there is no exported file absent.onnx'),
        ('test a.py x.onnx --fast', '--fast makes an engine of a checkpoint; x.onnx is one'),
        ('test a.py x.pth --fast int8 --calibration absent', 'there is no folder absent'),
        ('train absent.py', 'there is no config absent.py'),
        ('train absent.py --work-dir x --cfg-options work_dir=y', 'this is what --work-dir says'),
        ('check absent.py', 'there is no config absent.py'),
        ('export absent.py x.pth x.jpg', 'x.jpg: the name must end in one of .onnx, .pt2, .xml'),
        ('export absent.py x.pth x.onnx --precision bf16', 'ONNX holds fp32, fp16, int8'),
        ('export absent.py x.pth x.onnx', 'there is no config absent.py'),
    ],
)
def test_what_is_not_there_is_told_before_anything_slow_is_imported(
    arguments: str, sentence: str
) -> None:
    program, *rest = arguments.split()
    done, imported = run(f'hrnet_mm.commands.{program}', *rest)
    assert done.returncode in (1, 2) and sentence in done.stderr
    assert not imported & SLOW


def test_a_pose_is_predicted_without_what_only_other_tasks_need(
    tiny: Callable[[str], TinyModel], tmp_path: Path
) -> None:
    model = tiny('pose')
    contents = torch.load(model.checkpoint, weights_only=False)
    meta = CocoDataset._load_metainfo(CocoDataset.METAINFO)  # as a training saves it
    torch.save(contents | {'meta': {'dataset_meta': meta}}, tmp_path / 'pose.pth')
    cv2.imwrite(str(tmp_path / 'a.png'), picture(64, 64, seed=0))
    arguments = (model.config, tmp_path / 'pose.pth', tmp_path / 'a.png', '--out', tmp_path / 'out')
    done, imported = run('hrnet_mm.commands.infer', *arguments)
    assert done.returncode == 0 and 'mmpose.models' in imported, done.stderr
    # Of mmdet and mmcv mmpose itself imports a part.
    others = {'mmdet.models', 'mmseg', 'mmpretrain', 'torchvision', 'mmpose.apis', 'torch._dynamo'}
    assert not imported & (others - imported_by('mmengine.runner'))
    assert not imported & {'scipy', 'matplotlib', 'torch.distributed.optim'}
    if not is_older_than('2.6'):
        assert not imported & {'sympy', 'torch.distributed.fsdp'}


def imported_by(module: str) -> set[str]:
    """What a module imports by itself: of torch 2.1 to 2.5, mmengine's Runner torch._dynamo."""
    code = f'import json, sys, {module}; print(json.dumps(list(sys.modules)))'
    command = [sys.executable, '-W', 'ignore', '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_models_without_the_hosts_say_what_to_run(tmp_path: Path) -> None:
    (tmp_path / 'run.py').write_text(f'import sys\nsys.path.insert(0, {str(ROOT)!r})\n{RUN}')
    command = [sys.executable, '-S', str(tmp_path / 'run.py'), 'hrnet_mm.commands.models']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'run hrnet install TASK, of pose, seg, det, cls those you need' in done.stderr
