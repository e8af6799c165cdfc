# As small as a training gets that shuffles, augments, evaluates and saves: 3 epochs of 3 batches.
default_scope = 'mmpose'
codec = dict(type='MSRAHeatmap', input_size=(32, 64), heatmap_size=(8, 16), sigma=1)
stage = dict(num_modules=1, block='BASIC')
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor'),
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
    head=dict(
        type='HeatmapHead',
        in_channels=4,
        out_channels=17,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
)
dataset = dict(type='CocoDataset', data_root='people', data_mode='topdown')
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        ann_file='annotations/person_keypoints_train.json',
        data_prefix=dict(img='train'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='RandomFlip'),
            dict(type='RandomBBoxTransform'),
            dict(type='TopdownAffine', input_size=codec['input_size']),
            dict(type='GenerateTarget', encoder=codec),
            dict(type='PackPoseInputs'),
        ],
        **dataset,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file='annotations/person_keypoints_val.json',
        data_prefix=dict(img='val'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=codec['input_size']),
            dict(type='PackPoseInputs'),
        ],
        **dataset,
    ),
)
val_evaluator = dict(type='EPE')
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = dict(type='LinearLR', start_factor=0.1, end=9, by_epoch=False)
default_hooks = dict(
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='EPE', rule='less'
    ),
    logger=dict(type='LoggerHook', interval=1),
)
