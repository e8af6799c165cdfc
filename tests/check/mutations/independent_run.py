"""Mistakes that were collected without knowledge of the checks: the run and the network."""

from __future__ import annotations

from tests.check.mutations.mutation import ABSENT, Mutations, OneOf, Rng, Row, Words
from tests.check.sets import DataSet

mistakes = Mutations(__name__)

mistakes.config(
    'seg',
    saved_by_epochs_in_a_training_by_iterations=Row(
        {
            'default_hooks.checkpoint': OneOf(
                dict(type='CheckpointHook', interval=interval) for interval in (1, 4)
            )
        },
        'checkpoint & by_epoch',
    ),
    schedule_by_epochs_in_a_training_by_iterations=Row(
        {'param_scheduler': [dict(type='PolyLR', power=0.9, begin=0, end=9, by_epoch=True)]},
        'param_scheduler & by_epoch',
    ),
)
mistakes.config(
    'pose',
    channels_of_another_width=Row(
        {'model.head.in_channels': OneOf((32, 48))}, 'in_channels & {value} & 4'
    ),
    input_size_of_validation=Row(
        {'val.pipeline.2.input_size': (64, 128)}, 'val_dataloader & input_size & 64 & 128'
    ),
    warmup_longer_than_the_training=Row(
        {
            'param_scheduler': [
                dict(type='LinearLR', start_factor=0.001, begin=0, end=500, by_epoch=False),
                dict(type='MultiStepLR', begin=0, end=3, milestones=[1, 2], by_epoch=True),
            ]
        },
        'param_scheduler & end & 500',
    ),
    worst_is_saved_as_best=Row(
        {'default_hooks.checkpoint.rule': 'less'}, 'checkpoint & rule & less'
    ),
)
mistakes.config(
    'pose det cls',
    training_is_not_shuffled=Row(
        {'train_dataloader.sampler': dict(type='DefaultSampler', shuffle=False)},
        'train_dataloader & shuffle',
    ),
)
mistakes.config(
    'pose det',
    validation_without_test_mode=Row({'val.test_mode': ABSENT}, 'val_dataloader & test_mode'),
)
mistakes.config(
    'pose det seg cls',
    augmentation_in_validation=Row(
        {'val.pipeline': lambda old: [*old[:-1], dict(type='RandomFlip', prob=0.5), old[-1]]},
        'val_dataloader & RandomFlip',
    ),
    learning_rate_as_text=Row(
        {'optim_wrapper.optimizer.lr': OneOf(('1e-3', '0.001'))}, 'optimizer.lr & {value}'
    ),
)
mistakes.config(
    'pose det seg',
    few_images_left_from_a_trial=Row(
        {'split.indices': OneOf((1, 2, 3))}, '{split}_dataloader & indices & {value}'
    ),
)
mistakes.config(
    'det',
    class_weights_without_the_background=Row(
        {'model.roi_head.bbox_head.loss_cls.class_weight': [1.0, 2.0, 3.0]}, 'class_weight & 3 & 4'
    ),
)
mistakes.config(
    'cls',
    class_weights_of_other_classes=Row(
        {'model.head.loss.class_weight': [1.0] * 10}, 'class_weight & 10 & 3'
    ),
)
mistakes.config(
    'det cls',
    rate_of_many_cards_in_an_absent_base=Row(
        {'auto_scale_lr': dict(enable=True)}, 'auto_scale_lr & base_batch_size'
    ),
)


@mistakes.made_by('pose det seg cls')
def weights_that_are_not_there(data: DataSet, rng: Rng) -> Words:
    path = '/data/weights/hrnet_that_is_gone.pth'
    if rng.integers(2):
        data.cfg.load_from = path
        return 'load_from', path
    data.cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=path)
    return 'init_cfg', path


@mistakes.made_by('det cls')
def neck_of_another_width(data: DataSet, rng: Rng) -> Words:
    neck = data.cfg.model.neck
    neck = neck[0] if isinstance(neck, list) else neck
    width = int(rng.choice([32, 48]))
    neck.in_channels = [width, 2 * width, 4 * width, 8 * width]
    return 'neck', 'in_channels', width


@mistakes.made_by('pose det')
def custom_keys_of_no_parameter(data: DataSet, rng: Rng) -> Words:
    key = str(rng.choice(['backbone.stage5', 'bacbone']))
    data.cfg.optim_wrapper.paramwise_cfg = dict(custom_keys={key: dict(lr_mult=0.1)})
    return 'custom_keys', key


@mistakes.made_by('pose det')
def stopped_early_by_no_metric(data: DataSet, rng: Rng) -> Words:
    name = str(rng.choice(['coco/mAP', 'acc', 'loss']))
    data.cfg.custom_hooks = [dict(type='EarlyStoppingHook', monitor=name, rule='greater')]
    return 'monitor', name
