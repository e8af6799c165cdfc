"""Checks of the run itself: loaders, weights, averages, and how images are normalised."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS

from hrnet_mm.base.config import class_of, length_of, name_of
from hrnet_mm.base.errors import did_you_mean
from hrnet_mm.check.findings import Finding, keyed, stop, warn

BGR_MEAN, RGB_MEAN = [103.53, 116.28, 123.675], [123.675, 116.28, 103.53]
NORMALISERS = ('Normalize', 'NormalizeImage', 'ToTensor', 'PILToTensor')


def check_config(cfg: Config) -> Iterator[Finding]:
    for phase in ('train', 'val', 'test'):
        yield from check_loader(cfg, phase)
    yield from check_sampler(cfg)
    yield from check_normalisation(cfg)
    yield from check_moving_average(cfg)


def check_loader(cfg: Config, phase: str) -> Iterator[Finding]:
    """A loader has a batch size, and no settings of workers where it has none."""
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
    sampler = (cfg.get('train_dataloader') or {}).get('sampler')
    if not isinstance(sampler, Mapping):
        return
    length = length_of(cfg)
    if name_of(sampler) == 'InfiniteSampler' and length and length.by_epoch:
        yield stop(
            'train_dataloader.sampler is an InfiniteSampler, but train_cfg counts epochs '
            f'(max_epochs={length.number}): an epoch never ends; write DefaultSampler'
        )
    if sampler.get('shuffle') is False:
        yield warn(
            'train_dataloader.sampler.shuffle is False: every epoch has the same batches in the '
            'order of the file; write shuffle=True'
        )


def check_weights(cfg: Config) -> Iterator[Finding]:
    """The files of weights that a training begins with are there."""
    places = [('load_from', cfg.get('load_from')), *checkpoints_of(cfg.get('model'), 'model')]
    for place, path in places:
        if isinstance(path, str) and '://' not in path and not os.path.exists(path):
            yield stop(f'there is no checkpoint {path} ({place} in the config)')


def checkpoints_of(part: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Each file of weights that a part of a model is initialized with, and its key."""
    if isinstance(part, Mapping):
        if part.get('type') == 'Pretrained':
            yield f'{place}.checkpoint', part.get('checkpoint')
        for key, item in part.items():
            yield from checkpoints_of(item, f'{place}.{key}')
    elif isinstance(part, list | tuple):
        for key, item in keyed(place, part):
            yield from checkpoints_of(item, key)


def preprocessors_of(cfg: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What normalises and pads images, and its key: in the model, or beside it."""
    for place, part in (
        ('model.data_preprocessor', (cfg.get('model') or {}).get('data_preprocessor')),
        ('data_preprocessor', cfg.get('data_preprocessor')),
    ):
        if isinstance(part, Mapping) and part:
            yield place, part


def check_normalisation(cfg: Config) -> Iterator[Finding]:
    """Mean and standard deviation are of images from 0 to 255, in the order of their channels."""
    text = str((cfg.get('train_dataloader') or {}).get('dataset'))
    if any(f"'{name}'" in text for name in NORMALISERS):
        return
    for place, part in preprocessors_of(cfg):
        mean, std = list(part.get('mean') or ()), list(part.get('std') or ())
        if not mean or not std:
            continue
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


def check_moving_average(cfg: Config) -> Iterator[Finding]:
    """The class that averages weights exists."""
    for key, hook in keyed('custom_hooks', cfg.get('custom_hooks')):
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
        yield stop(
            f'{key}.ema_type is {kind!r}, and there is no such class'
            f'{did_you_mean(kind, [*known, *names])} There are {", ".join(known)}'
        )
