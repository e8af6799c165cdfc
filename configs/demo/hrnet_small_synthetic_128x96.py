# A shallow HRNet that learns the synthetic people on a CPU in minutes (`make demo`).
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'

width = 32  # whole vectors of 16 floats: hardly slower than a width of 18
# At so low a resolution sub-pixel decoding makes the difference: UDP, not MSRA. Three sigmas must
# be a whole number, else mmpose draws the target one pixel off near the upper and left border.
codec = dict(
    type='UDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=5 / 3, blur_kernel_size=5
)
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
    head=dict(in_channels=width, decoder=codec),
    test_cfg=dict(shift_heatmap=False),
)

# From scratch in few steps: a short warm-up, a high learning rate and cosine decay.
num_epochs = 42
train_cfg = dict(max_epochs=num_epochs, val_interval=num_epochs)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=20, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=num_epochs, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=16)

data_root = 'data/synthetic_people/'
dataset = dict(type='CocoDataset', data_root=data_root, data_mode='topdown')
train_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **dataset,
        ann_file='annotations/person_keypoints_train.json',
        data_prefix=dict(img='train/'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='RandomFlip', direction='horizontal'),
            dict(
                type='RandomBBoxTransform',
                shift_factor=0.04,
                scale_factor=(0.88, 1.12),
                rotate_factor=15,
            ),
            dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
            dict(type='GenerateTarget', encoder=codec),
            dict(type='PackPoseInputs'),
        ],
    ),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        **dataset,
        ann_file='annotations/person_keypoints_val.json',
        data_prefix=dict(img='val/'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
            dict(type='PackPoseInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/person_keypoints_val.json')
test_evaluator = val_evaluator

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1, max_keep_ckpts=1))
custom_hooks = [dict(type='hrnet_mm.ChannelsLastHook')]
