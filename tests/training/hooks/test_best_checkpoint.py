"""The best checkpoint is kept, by the main metric of every task."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrnet_mm.check.evaluation import check_best, measured
from hrnet_mm.training.hooks.safe_checkpoint import SafeCheckpointHook, main_metric
from hrnet_mm.training.run import add_safety_hooks
from hrnet_mm.weights.read import read_checkpoint
from tests.configs.tiny import load_config
from tests.forked_tools import run_tool
from tests.helpers import CONFIGS, ROOT

EVERY_CONFIG = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob('*.py'))


@pytest.mark.parametrize(
    ('measured', 'main'),
    [
        ('coco/AP coco/AP .5 coco/AR', 'coco/AP'),
        ('aAcc mIoU mAcc', 'mIoU'),
        ('coco/bbox_mAP coco/bbox_mAP_50', 'coco/bbox_mAP'),
        ('coco/bbox_mAP coco/segm_mAP', 'coco/segm_mAP'),
        ('accuracy/top1 accuracy/top5', 'accuracy/top1'),
        ('Head PCK;PCK;PCK@0.1', 'PCK'),
        ('posetrack18/Head AP;posetrack18/AP', 'posetrack18/AP'),
        ('EPE AUC PCK', 'PCK'),
        ('depth/RMSE depth/abs', 'depth/RMSE'),
    ],
)
def test_main_metric(measured: str, main: str) -> None:
    names = measured.split(';' if ';' in measured else None)
    if 'coco/AP' in names:
        names = ['coco/AP', 'coco/AP .5', 'coco/AR']
    assert main_metric(dict.fromkeys(names, 0.5)) == main


@pytest.mark.parametrize('config', EVERY_CONFIG)
def test_every_config_keeps_its_best_checkpoint(config: str) -> None:
    cfg = load_config(config)
    assert not list(check_best(cfg))
    examples = [example for _, example in measured(cfg)]
    assert examples
    add_safety_hooks(cfg)
    options = {
        k: v for k, v in cfg.default_hooks.checkpoint.items() if k not in ('type', '_scope_')
    }
    hook = SafeCheckpointHook(**options)
    if 'auto' in hook.key_indicators:
        hook._init_rule(hook.rules, [main_metric(dict.fromkeys(examples, 0.5))])
    [metric], [rule] = hook.key_indicators, hook.rules
    assert rule == ('less' if metric == 'NME' else 'greater')


def test_none_is_kept_where_the_config_says_so() -> None:
    assert SafeCheckpointHook(save_best=None).save_best is None


@pytest.mark.parametrize(
    ('metric', 'rule'),
    [('coco/AP', 'greater'), ('NME', 'less'), ('MPJPE', 'less'), ('multi-label/mAP', 'greater')],
)
def test_mmengine_s_auto_knows_metrics_of_poses(metric: str, rule: str) -> None:
    hook = SafeCheckpointHook()
    hook._init_rule(hook.rules, [metric])
    assert hook.rules == [rule]


@pytest.mark.slow
def test_a_resumed_training_knows_its_best_score(people: Path, tmp_path: Path) -> None:
    """A training by iterations, without ``save_best``, of two epochs of its data."""
    config = ROOT / 'tests/robustness/configs/seg.py'
    flags = '--data-root', people, '--work-dir', tmp_path / 'run', '--seed', 0, '--epochs', 2
    every = '--cfg-options', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1'
    done = run_tool('train.py', config, *flags, *every, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [best] = (tmp_path / 'run').glob('best_mIoU_iter_*.pth')
    last = tmp_path / 'run' / (tmp_path / 'run/last_checkpoint').read_text()
    score = read_checkpoint(last)['message_hub']['runtime_info']['best_score']
    assert 0 < score < 100
    # Another length is refused, and the same one goes on with the best of before.
    done = run_tool('train.py', config, *flags[:-1], 3, '--resume', *every, cwd=tmp_path)
    assert done.returncode == 1
    assert '--epochs with --resume: the training began with' in done.stderr
    first = sorted((tmp_path / 'run').glob('iter_*.pth'))[0]
    done = run_tool('train.py', config, *flags, '--resume', first, *every, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    info = read_checkpoint(last)['message_hub']['runtime_info']
    assert info['best_score'] == score
    assert [best] == list((tmp_path / 'run').glob('best_*'))


def test_a_name_that_begins_as_a_metric_is_none() -> None:
    cfg = load_config('pose/hrnet_w32_coco_256x192.py')
    for name in ('coco/AP', 'coco/AP .5', 'coco/AR (M)', 'coco/AP(E)'):
        cfg.default_hooks.checkpoint.save_best = name
        assert list(check_best(cfg)) == []
    cfg.default_hooks.checkpoint.save_best = 'coco/APP'
    [found] = check_best(cfg)
    assert "save_best is 'coco/APP', but val_evaluator measures coco/AP" in found.text
