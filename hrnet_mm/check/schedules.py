"""Checks of how long a training is, what it counts, and how its learning rate goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.config import length_of, name_of
from hrnet_mm.check.findings import Finding, keyed, note, stop, warn

WARMUPS = ('LinearLR', 'ConstantLR')


def check_config(cfg: Config) -> Iterator[Finding]:
    yield from check_schedules(cfg)
    yield from check_units(cfg)
    yield from check_intervals(cfg)
    yield from check_rate(cfg)
    yield from check_scaling(cfg)


def schedulers_of(cfg: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each schedule and its key, e.g. ``param_scheduler[1]``."""
    for key, scheduler in keyed('param_scheduler', cfg.get('param_scheduler')):
        if isinstance(scheduler, Mapping):
            yield key, scheduler


def check_schedules(cfg: Config) -> Iterator[Finding]:
    """Learning rates fall before the training ends."""
    length = length_of(cfg)
    for place, scheduler in schedulers_of(cfg):
        if length is None or scheduler.get('by_epoch', True) != length.by_epoch:
            continue
        last, but = length.number, f'but train_cfg.{length.key} is {length.number}'
        late = [step for step in scheduler.get('milestones') or () if step > last]
        if late:
            yield warn(
                f'{place}.milestones is {list(scheduler["milestones"])}, {but}: the learning rate '
                f'never falls at {late[0]}; write milestones up to {last}'
            )
        elif scheduler.get('begin', 0) >= last:
            yield warn(f'{place}.begin is {scheduler["begin"]}, {but}: this schedule never begins')
        ends = [key for key in ('T_max', 'end') if isinstance(scheduler.get(key), int)]
        ends = [key for key in ends if scheduler[key] > last]
        if ends and name_of(scheduler).startswith(('Cosine', 'Poly')):
            yield warn(
                f'{place}.{ends[0]} is {scheduler[ends[0]]}, {but}: the learning rate has not '
                f'fallen when the training ends; write {ends[0]}={last}'
            )


def check_units(cfg: Config) -> Iterator[Finding]:
    """A training that counts iterations has no schedule and no checkpoints by epochs."""
    length = length_of(cfg)
    if length is None or length.by_epoch:
        return
    for place, scheduler in schedulers_of(cfg):
        if scheduler.get('by_epoch', True):
            yield warn(
                f'{place}.by_epoch is {scheduler.get("by_epoch", "True (not given)")}, but '
                f'train_cfg counts iterations (max_iters={length.number}), which are one epoch: '
                'the learning rate never changes; write by_epoch=False, and begin and end in '
                'iterations'
            )
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if 'interval' in hook and hook.get('by_epoch', True):
        yield warn(
            f'default_hooks.checkpoint.by_epoch is {hook.get("by_epoch", "True (not given)")}, but '
            f'train_cfg counts iterations (max_iters={length.number}): nothing is saved before the '
            'end; write by_epoch=False, and interval in iterations'
        )


def check_intervals(cfg: Config) -> Iterator[Finding]:
    """Evaluations happen while the training runs."""
    length = length_of(cfg)
    interval = (cfg.get('train_cfg') or {}).get('val_interval')
    if (
        length
        and cfg.get('val_dataloader')
        and isinstance(interval, int)
        and interval > length.number + 1
    ):
        yield warn(
            f'train_cfg.val_interval is {interval}, but the training has {length.number} '
            f'{length.unit}: it is never evaluated'
        )


def check_rate(cfg: Config) -> Iterator[Finding]:
    """A learning rate is a number, and Adam's is not that of SGD."""
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    rate = optimizer.get('lr') if isinstance(optimizer, Mapping) else None
    if isinstance(rate, str):
        yield stop(f'optim_wrapper.optimizer.lr is the text {rate!r}, not a number: write {rate}')
    if isinstance(rate, int | float) and rate > 0.05 and name_of(optimizer).startswith('Adam'):
        yield warn(
            f'optim_wrapper.optimizer.lr is {rate} for {name_of(optimizer)}, which is far too '
            'much: try 1e-3'
        )


def check_scaling(cfg: Config) -> Iterator[Finding]:
    """The learning rate is scaled from the batch that it was chosen for."""
    scaling = cfg.get('auto_scale_lr') or {}
    if scaling.get('enable') and 'base_batch_size' not in scaling:
        yield stop(
            'auto_scale_lr.enable is True, but there is no auto_scale_lr.base_batch_size: write '
            'the batch (of all GPUs) that optim_wrapper.optimizer.lr was chosen for'
        )


def check_warmup(cfg: Config, batches: int) -> Iterator[Finding]:
    """A warm-up ends before the training does; ``batches`` are those of an epoch."""
    length = length_of(cfg)
    if length is None or not length.by_epoch:
        return
    for place, scheduler in schedulers_of(cfg):
        end = scheduler.get('end')
        if name_of(scheduler) not in WARMUPS or scheduler.get('by_epoch', True):
            continue
        total = batches * length.number
        if isinstance(end, int) and end > total:
            # Of a host's schedule on a part of its dataset, 500 of 300, most is still gone through.
            yield (warn if end > 2 * total else note)(
                f'{place}.end is {end} iterations, but the training has {total} '
                f'({length.number} epochs of {batches} batches): the warm-up never ends; write a '
                'smaller end'
            )
