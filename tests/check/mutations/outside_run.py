"""Mistakes that were collected without knowledge of the checks: the run and the network."""

from __future__ import annotations

from tests.check.mutations.mutation import Rng, a_split, of
from tests.check.sets import DataSet


@of('seg')
def saved_by_epochs_in_a_training_by_iterations(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=int(rng.choice([1, 4]))
    )
    return 'checkpoint', 'by_epoch'


@of('seg')
def schedule_by_epochs_in_a_training_by_iterations(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=9, by_epoch=True)]
    return 'param_scheduler', 'by_epoch'


@of('pose', 'det', 'seg', 'cls')
def weights_that_are_not_there(data: DataSet, rng: Rng) -> tuple[object, ...]:
    path = '/data/weights/hrnet_that_is_gone.pth'
    if rng.integers(2):
        data.cfg.load_from = path
        return 'load_from', path
    data.cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=path)
    return 'init_cfg', path


@of('pose')
def channels_of_another_width(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.head.in_channels = number = int(rng.choice([32, 48]))
    return 'in_channels', number, 4


@of('det', 'cls')
def neck_of_another_width(data: DataSet, rng: Rng) -> tuple[object, ...]:
    neck = data.cfg.model.neck
    neck = neck[0] if isinstance(neck, list) else neck
    width = int(rng.choice([32, 48]))
    neck.in_channels = [width, 2 * width, 4 * width, 8 * width]
    return 'neck', 'in_channels', width


@of('pose')
def input_size_of_validation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').pipeline[2].input_size = size = (64, 128)
    return 'val_dataloader', 'input_size', *size


@of('pose', 'det', 'cls')
def training_is_not_shuffled(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
    return 'train_dataloader', 'shuffle'


@of('pose', 'det')
def validation_without_test_mode(data: DataSet, rng: Rng) -> tuple[object, ...]:
    del data.dataset('val')['test_mode']
    return 'val_dataloader', 'test_mode'


@of('pose', 'det', 'seg', 'cls')
def augmentation_in_validation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').pipeline.insert(-1, dict(type='RandomFlip', prob=0.5))
    return 'val_dataloader', 'RandomFlip'


@of('pose', 'det', 'seg', 'cls')
def learning_rate_as_text(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.optim_wrapper.optimizer.lr = text = str(rng.choice(['1e-3', '0.001']))
    return 'optimizer.lr', text


@of('pose', 'det')
def custom_keys_of_no_parameter(data: DataSet, rng: Rng) -> tuple[object, ...]:
    key = str(rng.choice(['backbone.stage5', 'bacbone']))
    data.cfg.optim_wrapper.paramwise_cfg = dict(custom_keys={key: dict(lr_mult=0.1)})
    return 'custom_keys', key


@of('pose')
def warmup_longer_than_the_training(data: DataSet, rng: Rng) -> tuple[object, ...]:
    warmup = dict(type='LinearLR', start_factor=0.001, begin=0, end=500, by_epoch=False)
    data.cfg.param_scheduler = [
        warmup,
        dict(type='MultiStepLR', begin=0, end=3, milestones=[1, 2], by_epoch=True),
    ]
    return 'param_scheduler', 'end', 500


@of('pose')
def worst_is_saved_as_best(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.default_hooks.checkpoint.rule = 'less'
    return 'checkpoint', 'rule', 'less'


@of('pose', 'det')
def stopped_early_by_no_metric(data: DataSet, rng: Rng) -> tuple[object, ...]:
    name = str(rng.choice(['coco/mAP', 'acc', 'loss']))
    data.cfg.custom_hooks = [dict(type='EarlyStoppingHook', monitor=name, rule='greater')]
    return 'monitor', name


@of('pose', 'det', 'seg')
def few_images_left_from_a_trial(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    data.dataset(split).indices = number = int(rng.integers(1, 4))
    return f'{split}_dataloader', 'indices', number


@of('det')
def class_weights_without_the_background(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.roi_head.bbox_head.loss_cls.class_weight = [1.0, 2.0, 3.0]
    return 'class_weight', 3, 4


@of('cls')
def class_weights_of_other_classes(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.head.loss.class_weight = [1.0] * 10
    return 'class_weight', 10, 3


@of('det', 'cls')
def rate_of_many_cards_in_an_absent_base(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.auto_scale_lr = dict(enable=True)
    return 'auto_scale_lr', 'base_batch_size'
