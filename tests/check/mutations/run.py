"""Mistakes that any task can have."""

from __future__ import annotations

from tests.check.mutations.mutation import Mutations, OneOf, Rng, Row, Words, change_config
from tests.check.sets import DataSet

mistakes = Mutations(__name__)

mistakes.config(
    'pose det cls',
    batch_larger_than_the_data=Row(
        {'train_dataloader.batch_size': 500, 'train_dataloader.drop_last': True},
        'batch_size & 500 & drop_last',
    ),
)
mistakes.config(
    'pose det',
    milestones_after_the_end=Row(
        {
            'param_scheduler': [
                dict(type='MultiStepLR', begin=0, end=210, milestones=[170, 200], by_epoch=True)
            ],
            'train_cfg.max_epochs': OneOf(range(5, 100)),
        },
        'milestones & 170 & {value}',
    ),
)
mistakes.config(
    'pose seg',
    unknown_moving_average=Row(
        {'custom_hooks': [dict(type='EMAHook', ema_type='ExpMomentumEMAA')]},
        'ema_type & ExpMomentumEMAA & ExpMomentumEMA',
    ),
)


@mistakes.made_by('pose seg cls')
def mean_of_images_in_0_to_1(data: DataSet, rng: Rng) -> Words:
    values = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    holder = data.cfg if data.cfg.get('data_preprocessor') else data.cfg.model
    holder.data_preprocessor.update(values)
    return 'data_preprocessor', 'mean', 0.485


@mistakes.made_by('pose seg')
def workers_kept_where_there_are_none(data: DataSet, rng: Rng) -> Words:
    loader = str(rng.choice(['train_dataloader', 'val_dataloader']))
    none = {f'{loader}.num_workers': 0, f'{loader}.persistent_workers': True}
    change_config(data, rng, none)
    return loader, 'persistent_workers', 'num_workers'


@mistakes.made_by('pose seg cls pascal')
def training_images_in_validation(data: DataSet, rng: Rng) -> Words:
    train, val = data.dataset('train'), data.dataset('val')
    for key in ('ann_file', 'data_prefix'):
        if key in train:
            val[key] = train[key]
    return 'train', 'val_dataloader'


@mistakes.made_by('pose det seg cls')
def dataset_class_that_does_not_exist(data: DataSet, rng: Rng) -> Words:
    name = data.dataset('train').type
    data.dataset('train').type = f'{name}s'
    return 'train_dataloader', f'{name}s', name
