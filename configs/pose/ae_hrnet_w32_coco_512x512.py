# Associative embedding on HRNet-W32, bottom-up, COCO keypoints, 512x512.
# Official code: AP 64.1 on test-dev, one scale and flip (HigherHRNet's baseline, arXiv 1908.10357);
# mmpose: 65.6 on val.
_base_ = (
    'mmpose::body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py'
)

# Keypoints are grouped as in the official code; mmpose's way: grouping=dict(variant='mmpose').
__codec = dict(
    type='hrnet_mm.bottomup.codec.HeatmapsAndTags', input_size=(512, 512), heatmap_size=(128, 128)
)
codec = dict(_delete_=True, _scope_='mmpose', **__codec)
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, out_indices=(0,)),
    head=dict(
        _delete_=True,
        type='hrnet_mm.AssociativeEmbeddingHead',
        in_channels=32,
        num_keypoints=17,
        decoder=__codec,
    ),
)

# The official recipe, which mmpose's config does not have: 4 GPUs x 12 images, no warm-up.
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = _base_.param_scheduler[1:]
auto_scale_lr = dict(base_batch_size=48)
train_pipeline = [
    dict(_scope_='mmpose', type='LoadImage'),
    dict(
        _scope_='mmpose',
        type='BottomupRandomAffine',
        input_size=(512, 512),
        scale_factor=(0.75, 1.5),
        rotate_factor=30,
        shift_factor=0.2,
        distribution='uniform',
    ),
    dict(_scope_='mmpose', type='RandomFlip', direction='horizontal'),
    dict(
        _scope_='mmpose',
        type='GenerateTarget',
        encoder=__codec,
    ),
    dict(_scope_='mmpose', type='hrnet_mm.BottomupGetHeatmapMask'),
    dict(_scope_='mmpose', type='PackPoseInputs'),
]
train_dataloader = dict(batch_size=12, dataset=dict(pipeline=train_pipeline))

default_hooks = dict(checkpoint=dict(interval=10))  # mmpose's 50 epochs would be lost with a crash
