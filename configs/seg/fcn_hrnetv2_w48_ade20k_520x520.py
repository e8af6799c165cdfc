# HRNetV2-W48 + FCN, ADE20K, crop 520x520.
# Official code: mIoU 43.1 on val (HRNet/HRNet-Semantic-Segmentation); the paper has no ADE20K.
_base_ = 'mmseg::hrnet/fcn_hr48_4xb4-160k_ade20k-512x512.py'

crop_size = (520, 520)
# HRNetV2 is the neck, so that the head is the classifier alone.
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(type='hrnet_mm.HRNet', arch='w48', extra=None, upsample='bilinear'),
    neck=dict(
        type='hrnet_mm.HRNetV2',
        in_channels=[48, 96, 192, 384],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    decode_head=dict(
        in_channels=720,
        in_index=0,
        channels=720,
        input_transform=None,
        num_convs=0,
        # mmseg keeps at least so many pixels for each image, the official code for a GPU's four.
        sampler=dict(type='OHEMPixelSampler', thresh=0.9, min_kept=131072 // 4),
    ),
)

# The official recipe: SGD 0.02, weight decay 1e-4, poly 0.9 down to 0, 120 epochs of 1263 batches,
# 4 GPUs x 4 images, the long side to 520 times 0.5-1.6, flip, and the hard pixels only.
num_iters = 120 * 1263
optim_wrapper = dict(optimizer=dict(lr=0.02, weight_decay=1e-4))
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(type='PolyLR', eta_min=0, end=num_iters)
train_cfg = dict(max_iters=num_iters, val_interval=num_iters // 10)
default_hooks = dict(checkpoint=dict(interval=num_iters // 10))
auto_scale_lr = dict(enable=False, base_batch_size=16)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'PhotoMetricDistortion']
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomResize'].update(scale=crop_size, ratio_range=(0.5, 1.6))
__train_steps['RandomCrop'].update(crop_size=crop_size, cat_max_ratio=1.0)
test_pipeline = _base_.test_pipeline
__test_steps = {step['type']: step for step in test_pipeline}
__test_steps['Resize'].update(scale=(2048, 520))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
