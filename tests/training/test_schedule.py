"""Schedules at another length: every config's learning rates keep their places in the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from hrnet_mm.base.config import length_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.training.schedule import distinct_times, scale_schedule
from tests.configs.tiny import load_config
from tests.helpers import CONFIGS

EVERY_CONFIG = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob('*.py'))
BATCHES = 120  # of an epoch: a warm-up of 500 of the 1x schedule is over before its first step
Rates = Callable[[Config], np.ndarray]


class Nothing(Dataset):
    def __len__(self) -> int:
        return BATCHES


class Weight(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self) -> None:
        raise NotImplementedError


@pytest.fixture(scope='module')
def rates(tmp_path_factory: pytest.TempPathFactory) -> Rates:
    """The learning rate of each iteration of a config, as MMEngine's Runner builds and steps it."""
    work_dir = str(tmp_path_factory.mktemp('runs'))

    @cache
    def of_schedule(text: str) -> np.ndarray:
        cfg = Config(json.loads(text))
        runner = Runner(
            Weight(),
            work_dir,
            train_dataloader=dict(dataset=Nothing(), sampler=dict(type='DefaultSampler')),
            train_cfg=cfg.train_cfg,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
            param_scheduler=cfg.param_scheduler,
            default_scope=cfg.default_scope,
            log_level='ERROR',
            experiment_name=str(abs(hash(text))),
        )
        loop = runner.train_loop  # builds it
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        schedulers = runner.build_param_scheduler(runner.param_schedulers)
        found = []
        for iteration in range(loop.max_iters):
            found.append(runner.optim_wrapper.get_lr()['lr'][0])
            ends_epoch = (iteration + 1) % BATCHES == 0
            for scheduler in schedulers:
                if not scheduler.by_epoch or ends_epoch:
                    scheduler.step()
        return np.array(found)

    def of_config(cfg: Config) -> np.ndarray:
        keys = ('train_cfg', 'param_scheduler', 'default_scope')
        return of_schedule(json.dumps({key: cfg[key] for key in keys}, sort_keys=True))

    return of_config


@pytest.mark.parametrize('config', EVERY_CONFIG)
def test_learning_rates_keep_their_places(rates: Rates, config: str) -> None:
    original = load_config(config)
    length = length_of(original)
    old = rates(original)
    lengths = (5, 7, 2 * length.number) if length.by_epoch else (700, 901)
    for number in lengths:
        cfg = load_config(config)
        scale_schedule(cfg, number)
        assert length_of(cfg).number == number
        new = rates(cfg)
        warm_up = max(
            np.argmax(new == new.max()) / len(new), np.argmax(old == old.max()) / len(old)
        )
        # A step is rounded to whole epochs, and two steps are never on one.
        shift = 1.1 / number + 2 / len(new) + 2 / len(old)
        for iteration in range(0, len(new), max(1, len(new) // 200)):
            place = iteration / len(new)
            if number > length.number and place < warm_up:
                continue  # shorter than in the original
            first, last = int((place - shift) * len(old)), int((place + shift) * len(old)) + 1
            near = old[max(0, first) : last]
            assert near.min() * 0.98 - 1e-4 <= new[iteration] <= near.max() * 1.02 + 1e-4
        assert (new[0], new.max()) == (old[0], pytest.approx(old.max(), rel=1e-2))


@pytest.mark.parametrize('config', EVERY_CONFIG)
def test_one_epoch_is_trained_at_the_full_rate(rates: Rates, config: str) -> None:
    cfg = load_config(config)
    by_epoch = length_of(cfg).by_epoch
    notes = scale_schedule(cfg, 1 if by_epoch else BATCHES)
    new = rates(cfg)
    assert len(new) == BATCHES
    assert new.max() > 0.9
    steps = [part.get('milestones') for part in np.atleast_1d(load_config(config).param_scheduler)]
    lost = [note for note in notes if 'there is no place for the last' in note]
    assert bool(lost) == any(steps)


@pytest.mark.parametrize('config', EVERY_CONFIG)
def test_a_short_training_is_evaluated_and_saved(config: str) -> None:
    cfg = load_config(config)
    old = length_of(cfg)
    before = old.number // cfg.train_cfg.val_interval
    new = 20 if old.by_epoch else 500
    scale_schedule(cfg, new)
    assert min(before, new) <= new // cfg.train_cfg.val_interval <= 2.1 * before
    assert cfg.default_hooks.checkpoint.interval <= cfg.train_cfg.val_interval


def schedule(unit: str = 'max_epochs', number: int = 300, **more: Any) -> Config:
    return Config(dict(train_cfg={unit: number}, **more))


def test_yolox_and_other_hooks_keep_their_places() -> None:
    """The schedule of mmdet's YOLOX, and hooks of all hosts that act at some time."""
    cfg = schedule(
        param_scheduler=[
            dict(type='mmdet.QuadraticWarmupLR', end=5, convert_to_iter_based=True),
            dict(type='CosineAnnealingLR', eta_min=0.05, begin=5, T_max=285, end=285),
            dict(type='ConstantLR', factor=1, begin=285, end=300),
        ],
        custom_hooks=[
            dict(type='YOLOXModeSwitchHook', num_last_epochs=15),
            dict(type='EMAHook', begin_epoch=3, priority=49),
            dict(type='RTMOModeSwitchHook', epoch_attributes={280: dict(a=1), 290: dict(a=2)}),
            dict(type='SwitchRecipeHook', schedule=[dict(action_epoch=0), dict(action_epoch=150)]),
            dict(type='EMAHook', begin_iter=600, by_epoch=False),
            dict(type='PipelineSwitchHook', switch_epoch=280, switch_pipeline=[]),
        ],
        model=dict(bbox_head=dict(initial_epoch=40, num_iters=7)),
    )
    cfg.train_cfg.update(dynamic_intervals=[(285, 1)], val_interval=10, val_begin=30)
    [note] = scale_schedule(cfg, 20)
    warm_up, cosine, constant = cfg.param_scheduler
    assert (warm_up.end, cosine.begin, cosine.end, cosine['T_max']) == (1, 1, 19, 19)
    assert (constant.begin, constant.end) == (19, 20)
    last, ema, attributes, recipe, by_iteration, pipeline = cfg.custom_hooks
    assert (last.num_last_epochs, ema.begin_epoch, by_iteration.begin_iter) == (1, 1, 40)
    assert attributes.epoch_attributes == {18: dict(a=1), 19: dict(a=2)}
    assert [part.action_epoch for part in recipe.schedule] == [0, 10]
    assert pipeline.switch_epoch == 19
    assert cfg.model.bbox_head == dict(initial_epoch=3, num_iters=7)
    assert cfg.train_cfg == dict(
        max_epochs=20, val_interval=1, val_begin=2, dynamic_intervals=[(19, 1)]
    )
    for changed in ('max_epochs 300 -> 20', 'num_last_epochs 15 -> 1', 'initial_epoch 40 -> 3'):
        assert changed in note
    with pytest.raises(UserError, match=r'begin is 5 of 300 epochs.* no place in 1: give 2 or'):
        scale_schedule(schedule(param_scheduler=[dict(type='CosineAnnealingLR', begin=5)]), 1)
    with pytest.raises(UserError, match=r'custom_hooks\[0\].num_last_epochs is 15 of 300'):
        scale_schedule(schedule(custom_hooks=[dict(type='X', num_last_epochs=15)]), 1)


def test_periods_and_powers_reach_as_far() -> None:
    cfg = schedule(
        number=100,
        param_scheduler=[
            dict(type='StepLR', step_size=30),
            dict(type='StepLR', step_size=5, gamma=0.5),
            dict(type='ExponentialLR', gamma=0.9),
            dict(type='CosineRestartLR', periods=[25, 75], eta_min=0),
            dict(type='OneCycleLR', eta_max=0.1, total_steps=100),
            dict(type='ReduceOnPlateauLR', patience=10, cooldown=0),
        ],
    )
    scale_schedule(cfg, 10)
    step, often, power, restart, cycle, plateau = cfg.param_scheduler
    assert step == dict(type='StepLR', step_size=3)
    assert (often.step_size, often.gamma) == (1, 0.25)
    assert power.gamma**10 == pytest.approx(0.9**100)
    assert (restart.periods, cycle.total_steps) == ([3, 7], 10)
    assert (plateau.patience, plateau.cooldown) == (1, 0)


@pytest.mark.parametrize(
    'scheduler',
    [
        dict(type='OneCycleLR', eta_max=1.0, total_steps=100),
        dict(type='PolyLR', power=0.9, begin=0, end=100),
        dict(type='LinearLR', start_factor=1.0, end_factor=0.01, end=100),
    ],
    ids=lambda scheduler: scheduler['type'],
)
def test_in_few_epochs_the_rate_is_not_at_its_end_for_an_epoch(
    rates: Rates, scheduler: dict[str, Any]
) -> None:
    train = dict(by_epoch=True, max_epochs=100)
    old = rates(Config(dict(train_cfg=train, param_scheduler=[scheduler], default_scope='mmpose')))
    for number in (1, 2, 5):
        parts = dict(train_cfg=dict(train), param_scheduler=[dict(scheduler)])
        cfg = Config(dict(**parts, default_scope='mmpose'))
        scale_schedule(cfg, number)
        assert rates(cfg).mean() == pytest.approx(old.mean(), abs=0.02)


def test_what_a_schedule_of_ones_own_means_is_not_guessed() -> None:
    cfg = schedule(param_scheduler=dict(type='Mine', hold_epochs=30))
    with pytest.raises(UserError, match=r'param_scheduler.hold_epochs is 30, and it is not known'):
        scale_schedule(cfg, 10)
    with pytest.raises(UserError, match='neither max_epochs nor max_iters'):
        scale_schedule(Config(dict(train_cfg=dict(by_epoch=True))), 10)


def test_an_interval_of_mmengine_is_scaled_though_it_is_not_written() -> None:
    cfg = schedule('max_iters', 20000)
    scale_schedule(cfg, 200)
    assert cfg.train_cfg == dict(max_iters=200, val_interval=10)


@pytest.mark.parametrize(
    ('times', 'new', 'expected'),
    [
        ([30, 60, 90], 10, [3, 6, 9]),
        ([30, 60, 90], 4, [1, 2, 3]),
        ([30, 60, 90], 3, [1, 2]),
        ([30, 60, 90], 1, []),
        ([97, 98, 99], 10, [7, 8, 9]),
        ([1, 2, 3], 10, [1, 2, 3]),
        ([50], 2, [1]),
    ],
)
def test_no_two_steps_are_on_one_epoch_nor_at_the_end(
    times: list[int], new: int, expected: list[int]
) -> None:
    assert distinct_times(times, new / 100, new) == expected
