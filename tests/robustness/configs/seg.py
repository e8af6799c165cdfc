# As small as an iteration-based training with dropout gets: 9 batches, saved after 4 and 8.
default_scope = 'mmseg'
stage = dict(num_modules=1, block='BASIC')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
    backbone=dict(
        type='hrnet_mm.HRNet',
        out_indices=(0,),
        extra=dict(
            stage1=dict(
                num_modules=1, num_branches=1, block='BASIC', num_blocks=(1,), num_channels=(4,)
            ),
            stage2=dict(num_branches=2, num_blocks=(1,) * 2, num_channels=(4, 4), **stage),
            stage3=dict(num_branches=3, num_blocks=(1,) * 3, num_channels=(4, 4, 4), **stage),
            stage4=dict(num_branches=4, num_blocks=(1,) * 4, num_channels=(4, 4, 4, 4), **stage),
        ),
    ),
    decode_head=dict(
        type='FCNHead', in_channels=4, channels=4, num_convs=1, num_classes=5, dropout_ratio=0.5
    ),
    test_cfg=dict(mode='whole'),
)
dataset = dict(
    type='BaseSegDataset',
    data_root='people',
    metainfo=dict(
        classes=('background', 'head', 'torso', 'arm', 'leg'),
        palette=[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]],
    ),
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        data_prefix=dict(img_path='train', seg_map_path='labels/train'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomCrop', crop_size=(64, 64)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ],
        **dataset,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path='val', seg_map_path='labels/val'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
        **dataset,
    ),
)
val_evaluator = dict(type='IoUMetric')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=9, val_interval=4)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
param_scheduler = dict(type='PolyLR', end=9, by_epoch=False)
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4),
    logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
)
