# A shallow HigherHRNet that learns people who overlap, on a CPU (`make demo TASK=bottomup`).
_base_ = '../pose/higherhrnet_w32_coco_512x512.py'

width = 32  # whole vectors of 16 floats: hardly slower than a width of 18
image_size = (192, 192)
__coarse = dict(
    type='hrnet_mm.bottomup.codec.HeatmapsAndTags', input_size=image_size, heatmap_size=(48, 48)
)
codec = [dict(__coarse), dict(__coarse, heatmap_size=(96, 96))]
model = dict(
    backbone=dict(
        _delete_=True,
        type='hrnet_mm.HRNet',
        out_indices=(0,),
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block='BOTTLENECK',
                num_blocks=(1,),
                num_channels=(32,),
            ),
            **{
                f'stage{n}': dict(
                    num_modules=1,
                    num_branches=n,
                    block='BASIC',
                    num_blocks=(1,) * n,
                    num_channels=tuple(width * 2**i for i in range(n)),
                )
                for n in (2, 3, 4)
            },
        ),
    ),
    # With the paper's weights of 0.001 the tags learn later than a short training ends.
    head=dict(decoder=codec[1], num_blocks=1, pull_weight=0.01, push_weight=0.01),
)

# From scratch in few steps: a short warm-up, a high learning rate and cosine decay.
num_epochs = 40
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=20, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=num_epochs, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=8)

data_root = 'data/synthetic_crowds/'
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(input_size=image_size, scale_factor=(0.8, 1.25), rotate_factor=15)
train_pipeline[1].update(shift_factor=0.1)
train_pipeline[3].update(encoder=codec)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/person_keypoints_train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline,
    ),
)
val_pipeline = _base_.val_pipeline
val_pipeline[1].update(input_size=image_size)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/person_keypoints_val.json',
        data_prefix=dict(img='val/'),
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/person_keypoints_val.json')
test_evaluator = val_evaluator

default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=1),
)
custom_hooks = [dict(type='hrnet_mm.ChannelsLastHook')]
