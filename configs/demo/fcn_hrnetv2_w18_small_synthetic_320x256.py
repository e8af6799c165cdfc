# A small HRNetV2 + FCN that learns the parts of synthetic people on a CPU (`make demo TASK=seg`).
_base_ = '../seg/fcn_hrnetv2_w18_small_cityscapes_512x1024.py'

image_size = (320, 256)
model = dict(
    data_preprocessor=dict(size=image_size[::-1]),
    decode_head=dict(num_classes=5),
)

# From scratch in few steps: a short warm-up, Adam and cosine decay.
num_iters = 720
train_cfg = dict(max_iters=num_iters, val_interval=num_iters)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=20, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=num_iters, by_epoch=False),
]
auto_scale_lr = dict(base_batch_size=8)

dataset = dict(
    type='BaseSegDataset',
    data_root='data/synthetic_people/',
    metainfo=dict(
        classes=('background', 'head', 'torso', 'arm', 'leg'),
        palette=[[0, 0, 0], [230, 60, 60], [60, 160, 230], [250, 190, 40], [60, 180, 90]],
    ),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='train', seg_map_path='labels/train'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='val', seg_map_path='labels/val'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=image_size, keep_ratio=True),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader

default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(interval=num_iters, max_keep_ckpts=1)
)
custom_hooks = [dict(type='hrnet_mm.ChannelsLastHook')]
