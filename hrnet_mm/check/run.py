"""Checks of the run itself: schedules, loaders, hooks and how images are normalised."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS

from hrnet_mm.check.evaluators import evaluators_of
from hrnet_mm.check.findings import Finding, stop, warn
from hrnet_mm.check.sources import class_of
from hrnet_mm.engine.checks import as_list
from hrnet_mm.engine.config import name_of

BGR_MEAN, RGB_MEAN = [103.53, 116.28, 123.675], [123.675, 116.28, 103.53]
# How the names of a host's metrics begin.
METRICS = dict(
    Accuracy='accuracy/',
    AUC='AUC',
    CocoMetric='coco/',
    EPE='EPE',
    NME='NME',
    PCKAccuracy='PCK',
)
NORMALISERS = ('Normalize', 'NormalizeImage', 'ToTensor', 'PILToTensor')


def check_config(cfg: Config) -> Iterator[Finding]:
    yield from check_schedules(cfg)
    yield from check_intervals(cfg)
    yield from check_best(cfg)
    yield from check_rate(cfg)
    yield from check_moving_average(cfg)
    for phase in ('train', 'val', 'test'):
        yield from check_loader(cfg, phase)
    yield from check_sampler(cfg)
    yield from check_normalisation(cfg)


def length_of(cfg: Config) -> tuple[bool, int] | None:
    """Whether a training counts epochs, and how many epochs or iterations it has."""
    train = cfg.get('train_cfg') or {}
    if isinstance(train.get('max_epochs'), int):
        return True, train['max_epochs']
    if isinstance(train.get('max_iters'), int):
        return False, train['max_iters']
    return None


def schedulers_of(cfg: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    schedulers = cfg.get('param_scheduler')
    for number, scheduler in enumerate(as_list(schedulers)):
        if isinstance(scheduler, Mapping):
            is_list = isinstance(schedulers, list | tuple)
            yield f'param_scheduler[{number}]' if is_list else 'param_scheduler', scheduler


def check_schedules(cfg: Config) -> Iterator[Finding]:
    """Learning rates fall before the training ends."""
    length = length_of(cfg)
    for place, scheduler in schedulers_of(cfg):
        by_epoch = scheduler.get('by_epoch', True)
        if length is None or by_epoch != length[0]:
            continue
        unit = 'max_epochs' if by_epoch else 'max_iters'
        late = [step for step in scheduler.get('milestones') or () if step > length[1]]
        if late:
            yield warn(
                f'{place}.milestones is {list(scheduler["milestones"])}, but train_cfg.{unit} is '
                f'{length[1]}: the learning rate never falls at {late[0]}; write milestones up to '
                f'{length[1]}'
            )
        elif scheduler.get('begin', 0) >= length[1]:
            yield warn(
                f'{place}.begin is {scheduler["begin"]}, but train_cfg.{unit} is {length[1]}: this '
                'schedule never begins'
            )
        for key in ('T_max', 'end'):
            value = scheduler.get(key)
            name = name_of(scheduler)
            if isinstance(value, int) and value > length[1] and name.startswith(('Cosine', 'Poly')):
                yield warn(
                    f'{place}.{key} is {value}, but train_cfg.{unit} is {length[1]}: the learning '
                    f'rate has not fallen when the training ends; write {key}={length[1]}'
                )
                break


def check_intervals(cfg: Config) -> Iterator[Finding]:
    """Evaluations happen while the training runs."""
    length = length_of(cfg)
    interval = (cfg.get('train_cfg') or {}).get('val_interval')
    if (
        length
        and cfg.get('val_dataloader')
        and isinstance(interval, int)
        and interval > length[1] + 1
    ):
        yield warn(
            f'train_cfg.val_interval is {interval}, but the training has {length[1]} '
            f'{"epochs" if length[0] else "iterations"}: it is never evaluated'
        )


def check_rate(cfg: Config) -> Iterator[Finding]:
    """Adam's learning rate is not that of SGD."""
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    rate = optimizer.get('lr') if isinstance(optimizer, Mapping) else None
    if isinstance(rate, int | float) and rate > 0.05 and name_of(optimizer).startswith('Adam'):
        yield warn(
            f'optim_wrapper.optimizer.lr is {rate} for {name_of(optimizer)}, which is far too '
            'much: try 1e-3'
        )


def check_best(cfg: Config) -> Iterator[Finding]:
    """The metric that picks the best checkpoint is one that is measured."""
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    measured = [
        None if part.get('prefix') else METRICS.get(name_of(part))
        for _, part in evaluators_of(cfg, 'val')
    ]
    if (
        not measured
        or None in measured
        or any(p.get('prefix') for _, p in evaluators_of(cfg, 'val'))
    ):
        return
    for best in as_list(hook.get('save_best')):
        if best and best != 'auto' and not best.startswith(tuple(measured)):
            yield stop(
                f'default_hooks.checkpoint.save_best is {best!r}, but val_evaluator measures '
                f'{", ".join(f"{name}..." for name in measured)}: the training ends at the first '
                'evaluation'
            )


def check_moving_average(cfg: Config) -> Iterator[Finding]:
    """The class that averages weights exists."""
    for number, hook in enumerate(cfg.get('custom_hooks') or ()):
        kind = hook.get('ema_type') if isinstance(hook, Mapping) else None
        if not isinstance(kind, str):
            continue
        scope = cfg.get('default_scope')
        class_of(HOOKS, hook.get('type'), scope)  # hosts have such classes beside their hooks
        if class_of(MODELS, kind, scope) is not None:
            continue
        hosts = MODELS.children.get(scope)
        names = [*MODELS.module_dict, *(hosts.module_dict if hosts else ())]
        known = sorted(name for name in names if 'EMA' in name or 'Averag' in name)
        close = difflib.get_close_matches(kind, [*known, *names], n=1)
        yield stop(
            f'custom_hooks[{number}].ema_type is {kind!r}, and there is no such class'
            f'{f"; did you mean {close[0]}?" if close else ""} There are {", ".join(known)}'
        )


def check_loader(cfg: Config, phase: str) -> Iterator[Finding]:
    """What PyTorch refuses of a loader."""
    loader = cfg.get(f'{phase}_dataloader')
    if not loader or (phase == 'test' and loader == cfg.get('val_dataloader')):
        return
    workers, batch = loader.get('num_workers', 0), loader.get('batch_size', 1)
    for key in ('persistent_workers', 'prefetch_factor'):
        if workers == 0 and loader.get(key):
            yield stop(
                f'{phase}_dataloader.{key} is {loader[key]}, but {phase}_dataloader.num_workers is '
                f'0: write {key}={"False" if key == "persistent_workers" else "None"}, or some '
                'workers'
            )
    if (not isinstance(batch, int) or batch < 1) and loader.get('batch_sampler') is None:
        yield stop(f'{phase}_dataloader.batch_size is {batch!r}, not a number from 1')


def check_sampler(cfg: Config) -> Iterator[Finding]:
    """Training shuffles, and an epoch ends."""
    loader = cfg.get('train_dataloader') or {}
    sampler = loader.get('sampler')
    if not isinstance(sampler, Mapping):
        return
    length = length_of(cfg)
    if name_of(sampler) == 'InfiniteSampler' and length and length[0]:
        yield stop(
            'train_dataloader.sampler is an InfiniteSampler, but train_cfg counts epochs '
            f'(max_epochs={length[1]}): an epoch never ends; write DefaultSampler'
        )
    if sampler.get('shuffle') is False:
        yield warn(
            'train_dataloader.sampler.shuffle is False: every epoch has the same batches in the '
            'order of the file; write shuffle=True'
        )


def preprocessors_of(cfg: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, part in (
        ('model.data_preprocessor', (cfg.get('model') or {}).get('data_preprocessor')),
        ('data_preprocessor', cfg.get('data_preprocessor')),
    ):
        if isinstance(part, Mapping) and part.get('mean') and part.get('std'):
            yield place, part


def check_normalisation(cfg: Config) -> Iterator[Finding]:
    """Mean and standard deviation are of images from 0 to 255, in the order of their channels."""
    text = str((cfg.get('train_dataloader') or {}).get('dataset'))
    if any(f"'{name}'" in text for name in NORMALISERS):
        return
    for place, part in preprocessors_of(cfg):
        mean, std = list(part['mean']), list(part['std'])
        if max(mean) <= 1 and max(std) <= 1 and (any(mean) or any(value != 1 for value in std)):
            yield stop(
                f'{place}.mean is {mean} and std {std}, of images from 0 to 1, but images are read '
                'from 0 to 255: multiply both by 255'
            )
        turns = any(part.get(key) for key in ('bgr_to_rgb', 'to_rgb', 'rgb_to_bgr'))
        wrong = BGR_MEAN if turns else RGB_MEAN
        if [round(value, 2) for value in mean] == [round(value, 2) for value in wrong]:
            yield warn(
                f'{place}.mean is {mean}, the mean of {"BGR" if turns else "RGB"}, but images '
                f'are {"RGB" if turns else "BGR"} there: turn mean and std around, or the channels '
                f'(bgr_to_rgb={not turns})'
            )
