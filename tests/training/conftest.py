"""A pose config small enough to train in seconds, and people to train it on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.people.synthetic_people import make_synthetic_people

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
_base_ = '{root}/configs/demo/hrnet_small_synthetic_128x96.py'
width = 4
model = dict(
    backbone=dict(extra=dict(
        stage1=dict(num_channels=(8,)), stage2=dict(num_channels=(4, 8)),
        stage3=dict(num_channels=(4, 8, 16)), stage4=dict(num_channels=(4, 8, 16, 32)))),
    head=dict(in_channels=4))
train_cfg = dict(max_epochs=3, val_interval=3)
train_dataloader = dict(batch_size=4)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=-1))
"""


@pytest.fixture(scope='session')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'people'
    return make_synthetic_people(folder, 6, 3, image_size=(160, 128), progress=None)


@pytest.fixture(scope='session')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('config') / 'tiny_pose.py'
    path.write_text(CONFIG.format(root=ROOT))
    return path


@pytest.fixture
def run_tool(people: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run a tool as a user would, in an empty folder, on the synthetic people."""

    def run(
        tool: str, *arguments: object, launcher: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess:
        command = [*(launcher or (sys.executable,)), ROOT / 'tools' / tool, *arguments]
        return subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=os.environ | {'OMP_NUM_THREADS': '1'},
            capture_output=True,
            text=True,
        )

    return run
