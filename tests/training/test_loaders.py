"""--batch-size, --workers and --epochs of a training by iterations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from hrnet_mm.base.config import read_config
from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.from_arguments import apply_train_options, config_from
from hrnet_mm.training.loaders import set_batch_size
from tests.configs.tiny import load_config
from tests.helpers import ROOT

POSE = 'pose/hrnet_w32_coco_256x192.py'
SEG = ROOT / 'tests/robustness/configs/seg.py'


@pytest.fixture
def options(load_tool) -> Any:
    """What train.py makes of a config and its arguments, with what it says."""

    def apply(config: str | Path, *flags: object) -> tuple[Config, list[str]]:
        args = load_tool('train').parse_args([str(config), *map(str, flags)])
        cfg = config_from(args)
        return cfg, apply_train_options(cfg, args)

    return apply


def changed(load_tool, config: str, *flags: str) -> tuple[Config, list[str]]:
    cfg = load_config(config)
    return cfg, apply_train_options(cfg, load_tool('train').parse_args(['c.py', *flags]))


def test_a_batch_is_told_with_what_it_means_for_the_learning_rate(load_tool) -> None:
    cfg, [note] = changed(load_tool, POSE, '--batch-size', '16')
    assert (cfg.train_dataloader.batch_size, cfg.val_dataloader.batch_size) == (16, 32)
    assert cfg.optim_wrapper.optimizer.lr == 1e-3
    assert note == (
        '--batch-size 16: a step is of 16 samples; the learning rate is 0.001 and was chosen for '
        '256: --auto-scale-lr scales it to 6.25e-05'
    )
    _, [note] = changed(load_tool, POSE, '--batch-size', '16', '--auto-scale-lr')
    assert note.endswith('the learning rate is 0.001 for 256, and is scaled to 6.25e-05')
    _, [note] = changed(load_tool, POSE, '--batch-size', '256')
    assert note.endswith(
        'a step is of 256 samples, for which the learning rate of the config is 0.001'
    )
    _, [note] = changed(load_tool, POSE, '--batch-size', '16', '--resume')
    assert note.endswith('a resumed training keeps the learning rate of its checkpoint')


def test_a_batch_is_each_process_s(load_tool, monkeypatch) -> None:
    monkeypatch.setenv('WORLD_SIZE', '4')
    cfg = load_config(POSE)
    cfg.launcher = 'pytorch'
    [note] = apply_train_options(cfg, load_tool('train').parse_args(['c.py', '--batch-size', '64']))
    assert 'a step is of 256 samples, for which' in note


def test_batches_that_a_sampler_makes(load_tool) -> None:
    cfg, _ = changed(load_tool, 'det/faster_rcnn_hrnetv2p_w18_coco_1x.py', '--batch-size', '3')
    assert cfg.train_dataloader.batch_size == 3  # which MMEngine gives to the batch sampler
    args = load_tool('train').parse_args(['c.py', '--batch-size', '3'])
    batches = dict(type='Mine', batch_size=8)
    cfg = Config(dict(train_dataloader=dict(batch_size=8, batch_sampler=batches)))
    apply_train_options(cfg, args)
    assert cfg.train_dataloader.batch_sampler.batch_size == 3
    sampler = dict(type='GroupMultiSourceSampler', batch_size=5, source_ratio=[1, 4])
    cfg = Config(dict(train_dataloader=dict(batch_size=5, sampler=sampler)))
    with pytest.raises(
        UserError, match=r'--batch-size 3.*GroupMultiSourceSampler.*of its own \(5\)'
    ):
        apply_train_options(cfg, args)


def test_a_bottom_up_test_is_of_one_image_at_a_time() -> None:
    cfg = load_config('pose/higherhrnet_w32_coco_512x512.py')
    set_batch_size(cfg, 'test', 1)
    set_batch_size(cfg, 'train', 4)
    with pytest.raises(UserError, match='--batch-size 2: the images of a bottom-up test'):
        set_batch_size(cfg, 'test', 2)


def test_without_workers_nothing_of_them_is_left(load_tool, people: Path) -> None:
    cfg = read_config(SEG, data_root=str(people))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=2, persistent_workers=True, prefetch_factor=4, timeout=30)
        loader.update(multiprocessing_context='spawn')
    args = load_tool('train').parse_args(['c.py', '--workers', '0'])
    apply_train_options(cfg, args)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            assert next(iter(Runner.build_dataloader(loader)))['inputs']
    args = load_tool('train').parse_args(['c.py', '--workers', '3'])
    apply_train_options(cfg, args)
    assert {cfg[f'{phase}_dataloader'].num_workers for phase in ('train', 'val')} == {3}


def test_epochs_of_a_training_by_iterations_are_those_of_its_data(options, people: Path) -> None:
    cfg, notes = options(SEG, '--data-root', people, '--epochs', 4, '--batch-size', 5)
    images = len(list((people / 'train').iterdir()))
    iterations = -(-4 * images // 5)
    assert notes[0] == f'--epochs 4: {images} samples in steps of 5 are {iterations} iterations'
    assert (cfg.train_cfg.max_iters, cfg.param_scheduler.end) == (iterations, iterations)
    assert f'train_cfg.max_iters 9 -> {iterations}' in notes[1]
    with pytest.raises(UserError, match=r'there is no .*nowhere'):
        options(SEG, '--data-root', people / 'nowhere', '--epochs', 4)


def test_what_options_set_of_the_schedule_is_of_the_new_length(options) -> None:
    path = ROOT / 'tests/robustness/configs/pose.py'
    more = 'train_cfg.val_interval=7', 'default_hooks.logger.interval=2'
    cfg, notes = options(path, '--epochs', 30, '--cfg-options', *more)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (30, 7)
    assert notes[-1].endswith('what is given stays as it is: train_cfg.val_interval')
    for key in ('train_cfg.max_epochs=4', 'train_cfg.max_iters=4'):
        with pytest.raises(UserError, match=re.escape('this is what --epochs says')):
            options(path, '--epochs', 30, '--cfg-options', key)
    for flag, key in (
        ('--batch-size', 'train_dataloader.batch_size=2'),
        ('--workers', 'val_dataloader.num_workers=2'),
    ):
        with pytest.raises(UserError, match=f'this is what {flag} says'):
            options(path, flag, 3, '--cfg-options', key)
