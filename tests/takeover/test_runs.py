"""Upstream configs train and evaluate on our HRNet, by the host's tools and by ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.arguments import Parser, add_run
from hrnet_mm.commands.from_arguments import config_from
from tests.forked_tools import run_tool
from tests.helpers import ROOT, needs_compiled
from tests.takeover.upstream import build, config_folder

NAME = 'body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
UPSTREAM = config_folder('mmpose') / NAME
TINY_RUN = (
    'model.backbone.init_cfg=None',  # its checkpoint would have to be downloaded
    'train_cfg.max_epochs=1',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.indices=2',
)
DOWNSTREAM_CONFIG = """
_base_ = 'mmpose::{name}'
custom_imports = dict(imports=['hrnet_mm.takeover.for_mmpose', 'witness'])
custom_hooks = [dict(type='Witness')]
train_dataloader = dict(dataset=dict(data_root='{coco}'))
"""
WITNESS = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Witness(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        print('trained', type(runner.model.backbone), flush=True)
"""


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@needs_compiled
def test_mmposes_own_train_tool_trains_ours(coco: Path, tmp_path: Path) -> None:
    (tmp_path / 'witness.py').write_text(WITNESS)
    config = tmp_path / 'downstream.py'
    config.write_text(DOWNSTREAM_CONFIG.format(name=NAME, coco=coco))
    tool = config_folder('mmpose').parent / 'tools' / 'train.py'
    flags = '--work-dir', tmp_path / 'run', '--no-validate', '--cfg-options', *TINY_RUN
    done = subprocess.run(
        list(map(str, [sys.executable, '-W', 'ignore', tool, config, *flags])),
        cwd=tmp_path,
        env=os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=f'{tmp_path}:{ROOT}'),
        capture_output=True,
        text=True,
    )
    output = succeed(done)
    assert "trained <class 'hrnet_mm.takeover.for_mmpose.HRNet'>" in output
    assert (tmp_path / 'run' / 'epoch_1.pth').exists()


@pytest.mark.slow
def test_our_tools_train_and_evaluate_an_unedited_config(coco: Path, tmp_path: Path) -> None:
    common = ('--takeover', '--data-root', coco, '--work-dir', tmp_path)
    options = '--no-validate', '--cfg-options', *TINY_RUN
    output = succeed(run_tool('train.py', UPSTREAM, *common, *options, cwd=tmp_path))
    assert 'hrnet_mm stands in for the HRNet of mmpose' in output
    saved = Config.fromfile(tmp_path / UPSTREAM.name, import_custom_modules=False)
    assert saved.custom_imports.imports == ['hrnet_mm.takeover']
    options = '--cfg-options', 'test_dataloader.dataset.bbox_file=None'
    checkpoint = tmp_path / 'epoch_1.pth'
    tested = run_tool('test.py', UPSTREAM, checkpoint, *common, *options, cwd=tmp_path)
    succeed(tested)
    assert 'coco/AP ' in tested.stdout.splitlines()[-1]


def read(*arguments: object) -> Config:
    """The config that a tool with these arguments runs."""
    parser = Parser('')
    add_run(parser)
    return config_from(parser.parse_args(list(map(str, arguments))))


@pytest.mark.parametrize('flag', [[], ['--takeover']], ids=str)
def test_takeover_flag_decides_which_hrnet_is_built(flag: list[str]) -> None:
    backbone = build('mmpose', read(UPSTREAM, *flag).model.backbone)
    assert type(backbone).__module__ == (
        'hrnet_mm.takeover.for_mmpose' if flag else 'mmpose.models.backbones.hrnet'
    )


def test_takeover_flag_keeps_the_configs_own_imports(tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(
        "custom_imports = dict(imports='mmpose.models')\nmodel = dict(neck=[dict(type='HRFPN')])\n"
    )
    assert read(path, '--takeover').custom_imports.imports == ['mmpose.models', 'hrnet_mm.takeover']


@pytest.mark.parametrize('backbone', ['ResNet', 'hrnet_mm.HRNet'])
def test_takeover_of_nothing_is_refused(tmp_path: Path, backbone: str) -> None:
    path = tmp_path / 'config.py'
    path.write_text(f"model = dict(backbone=dict(type='{backbone}'))\n")
    with pytest.raises(UserError, match='--takeover: the model of the config has no HRNet, HRFPN'):
        read(path, '--takeover')
