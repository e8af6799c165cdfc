# HRNetV2-W48 + FCN, PASCAL-Context, 59 classes, crop 480x480.
# Official code: mIoU 54.1 on val, several scales and flip (HRNet/HRNet-Semantic-Segmentation).
_base_ = 'mmseg::hrnet/fcn_hr48_4xb4-80k_pascal-context-59-480x480.py'

# HRNetV2 is the neck, so that the head is the classifier alone.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w48', extra=None, upsample='bilinear'),
    neck=dict(
        type='hrnet_mm.HRNetV2',
        in_channels=[48, 96, 192, 384],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    decode_head=dict(in_channels=720, in_index=0, channels=720, input_transform=None, num_convs=0),
)

# The paper's recipe (arXiv 1908.07919): SGD 0.004 and weight decay 1e-4, which are mmseg's here,
# poly 0.9 down to 0, 60k iterations, 4 GPUs x 4 images, scale 0.5-2 and flip only.
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(type='PolyLR', eta_min=0, end=60000)
train_cfg = dict(max_iters=60000, val_interval=6000)
default_hooks = dict(checkpoint=dict(interval=6000))
auto_scale_lr = dict(enable=False, base_batch_size=16)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'PhotoMetricDistortion']
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomCrop'].update(cat_max_ratio=1.0)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
