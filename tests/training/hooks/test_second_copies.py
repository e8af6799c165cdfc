"""A checkpoint of EMAHook holds two copies of the weights: all ways of testing take the same one.

The two differ clearly here: neither the other nor a random one could be mistaken for it.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from hrnet_mm.base.config import read_config, set_data_root
from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.export_file import export
from hrnet_mm.commands.from_arguments import weights_from
from hrnet_mm.deploy.table import FORMATS
from hrnet_mm.inference import infer
from hrnet_mm.training.hooks import FiniteCheckHook
from hrnet_mm.training.run import test as evaluate
from tests.helpers import ROOT

pytestmark = pytest.mark.usefixtures('unformatted_configs')
CONFIG = """
_base_ = {base!r}
test_dataloader = _base_.val_dataloader
test_evaluator = [_base_.val_evaluator, dict(type='DumpResults', out_file_path={dump!r})]
test_cfg = dict()
custom_hooks = [{hook!r}]
"""
BASE = ROOT / 'tests/robustness/configs/seg.py'
AVERAGED, PLAIN = 1, 2  # seeds
HOOKS = {
    'mmengine': (dict(type='EMAHook'), AVERAGED),
    'with-buffers': (dict(type='EMAHook', update_buffers=True), AVERAGED),
    'mmdet': (dict(type='EMAHook', ema_type='mmdet.ExpMomentumEMA'), AVERAGED),
    'mmpretrain': (dict(type='mmpretrain.EMAHook'), AVERAGED),
    'plain-tested': (dict(type='mmpretrain.EMAHook', evaluate_on_ema=False), PLAIN),
}
BOTH = (dict(type='mmpretrain.EMAHook', evaluate_on_origin=True), AVERAGED)
CHECKPOINT = dict(fast=None, exported=False)
FAST = dict(fast='fp32', exported=False)
EXPORTED = dict(fast=None, exported=True)


class Case:
    """A config with a hook, a checkpoint of two copies, and what each way of testing predicts."""

    def __init__(self, folder: Path, data: Path, hook: dict[str, Any], exported: Path) -> None:
        self.folder, self.dump = folder, folder / 'predictions.pkl'
        self.path = folder / 'seg.py'
        self.path.write_text(CONFIG.format(base=str(BASE), dump=str(self.dump), hook=hook))
        self.data, self.images, self.out = data, data / 'val', exported
        self.checkpoint = folder / 'two.pth'
        averaged, plain = (self.model(seed).state_dict() for seed in (AVERAGED, PLAIN))
        ema = {f'module.{key}': weight for key, weight in plain.items()}
        meta = dict(dataset_meta=dict(self.cfg.dataset.metainfo))
        torch.save(
            dict(state_dict=averaged, ema_state_dict=ema | {'steps': torch.tensor(5)}, meta=meta),
            self.checkpoint,
        )

    @property
    def cfg(self) -> Config:
        cfg = read_config(self.path)
        set_data_root(cfg, str(self.data))
        cfg.work_dir, cfg.launcher = str(self.folder / 'run'), 'none'
        return cfg

    def model(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(self.cfg.model).eval()
        model.init_weights()
        torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=10)
        return model

    def exported(self) -> Path:
        if not self.out.exists():
            export(self.cfg, str(self.checkpoint), self.out, FORMATS['onnx'])
        return self.out

    def tested(self, fast: str | None, exported: bool) -> np.ndarray:
        """Label maps (N, H, W) as a Runner predicts them."""
        cfg = self.cfg
        cfg.load_from = str(self.exported() if exported else self.checkpoint)
        assert 'mIoU' in evaluate(cfg, weights_from(cfg.load_from, fast))
        records = pickle.loads(self.dump.read_bytes())
        return np.concatenate([record['pred_sem_seg']['data'].numpy() for record in records])

    def inferred(self, fast: str | None, exported: bool) -> np.ndarray:
        """Label maps (N, H, W) as infer writes them."""
        out = self.folder / 'inferred'
        source = self.exported() if exported else self.checkpoint
        infer(self.path, source, str(self.images), out=out, device='cpu', draw=False, fast=fast)
        files = sorted(out.rglob('*.png'))
        return np.stack([cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files])

    def predicted(self, seed: int) -> np.ndarray:
        """Label maps (N, H, W) of one of the two copies."""
        model = self.model(seed)
        images = [cv2.imread(str(path)) for path in sorted(self.images.iterdir())]
        inputs = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
        with torch.no_grad():
            samples = [model.test_step(dict(inputs=[x]))[0] for x in inputs]
        return np.concatenate([sample.pred_sem_seg.data.numpy() for sample in samples])


@pytest.fixture(scope='module')
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('exports')


@pytest.fixture
def case(request, people: Path, tmp_path: Path, exports: Path) -> Case:
    hook, seed = (HOOKS | {'both-tested': BOTH})[request.param]
    case = Case(tmp_path, people, hook, exports / f'of_{seed}.onnx')
    case.expected, other = case.predicted(seed), case.predicted(AVERAGED + PLAIN - seed)
    assert agreement(case.expected, other) < 0.9
    return case


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float((a == b).mean())


@pytest.mark.parametrize('case', HOOKS, indirect=True)
def test_a_runner_tests_the_same_copy_of_an_exported_file(case: Case) -> None:
    for way in (CHECKPOINT, EXPORTED):
        assert agreement(case.tested(**way), case.expected) > 0.99, way


@pytest.mark.parametrize('case', ['mmengine', 'plain-tested'], indirect=True)
def test_an_engine_and_infer_take_the_copy_that_is_tested(case: Case) -> None:
    assert agreement(case.tested(**FAST), case.expected) > 0.99
    for way in (CHECKPOINT, FAST, EXPORTED):
        assert agreement(case.inferred(**way), case.expected) > 0.99, way


@pytest.mark.parametrize('case', ['both-tested'], indirect=True)
def test_two_copies_at_once_are_refused_where_there_is_one(case: Case) -> None:
    case.tested(**CHECKPOINT)
    for way in (FAST, EXPORTED):
        with pytest.raises(UserError, match='EMAHook.evaluate_on_origin=True. tests two copies'):
            case.tested(**way)


def test_neither_copy_is_saved_with_nan() -> None:
    fine, broken = {'weight': torch.zeros(2)}, {'module.weight': torch.tensor([0.0, float('nan')])}
    check = FiniteCheckHook().before_save_checkpoint
    for ema in (None, {'module.weight': torch.zeros(2), 'steps': torch.tensor(1)}):
        check(None, dict(state_dict=fine, ema_state_dict=ema, meta=dict(iter=3)))
    with pytest.raises(UserError, match=r'after iteration 3 1 tensors .*\(module\.weight\)'):
        check(None, dict(state_dict=fine, ema_state_dict=broken, meta=dict(iter=3)))
