# HRNetV2-W18 + FCN, Cityscapes, crop 512x1024. The paper reports no W18 here.
_base_ = 'mmseg::hrnet/fcn_hr18_4xb2-160k_cityscapes-512x1024.py'

# HRNetV2 is the neck, so that the head is the classifier alone.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w18', extra=None, upsample='bilinear'),
    neck=dict(
        type='hrnet_mm.HRNetV2',
        in_channels=[18, 36, 72, 144],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    decode_head=dict(in_channels=270, in_index=0, channels=270, input_transform=None, num_convs=0),
)

# The paper's recipe (arXiv 1908.07919): SGD 0.01, poly 0.9 down to 0, 120k iterations, 4 GPUs x 3
# images, scale 0.5-2 and flip only. The official code also weights the classes in the loss.
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(type='PolyLR', eta_min=0, end=120000)
train_cfg = dict(max_iters=120000, val_interval=12000)
default_hooks = dict(checkpoint=dict(interval=12000))
auto_scale_lr = dict(enable=False, base_batch_size=12)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'PhotoMetricDistortion']
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomCrop'].update(cat_max_ratio=1.0)
train_dataloader = dict(batch_size=3, dataset=dict(pipeline=train_pipeline))
