"""Mistakes that any task can have."""

from __future__ import annotations

from tests.check.mutations.mutation import Rng, a_split, of
from tests.check.sets import DataSet


@of('pose', 'det', 'cls')
def batch_larger_than_the_data(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.train_dataloader.update(batch_size=500, drop_last=True)
    return 'batch_size', 500, 'drop_last'


@of('pose', 'seg', 'cls')
def mean_of_images_in_0_to_1(data: DataSet, rng: Rng) -> tuple[object, ...]:
    values = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    holder = data.cfg if data.cfg.get('data_preprocessor') else data.cfg.model
    holder.data_preprocessor.update(values)
    return 'data_preprocessor', 'mean', 0.485


@of('pose', 'seg')
def workers_kept_where_there_are_none(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    data.cfg[f'{split}_dataloader'].update(num_workers=0, persistent_workers=True)
    return f'{split}_dataloader', 'persistent_workers', 'num_workers'


@of('pose', 'det')
def milestones_after_the_end(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.train_cfg.max_epochs = number = int(rng.integers(5, 100))
    data.cfg.param_scheduler = [
        dict(type='MultiStepLR', begin=0, end=210, milestones=[170, 200], by_epoch=True)
    ]
    return 'milestones', 170, number


@of('pose', 'seg')
def unknown_moving_average(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.custom_hooks = [dict(type='EMAHook', ema_type='ExpMomentumEMAA')]
    return 'ema_type', 'ExpMomentumEMAA', 'ExpMomentumEMA'


@of('pose', 'seg', 'cls', 'pascal')
def training_images_in_validation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    train, val = data.dataset('train'), data.dataset('val')
    for key in ('ann_file', 'data_prefix'):
        if key in train:
            val[key] = train[key]
    return 'train', 'val_dataloader'


@of('pose', 'det', 'seg', 'cls')
def dataset_class_that_does_not_exist(data: DataSet, rng: Rng) -> tuple[object, ...]:
    name = data.dataset('train').type
    data.dataset('train').type = f'{name}s'
    return 'train_dataloader', f'{name}s', name
