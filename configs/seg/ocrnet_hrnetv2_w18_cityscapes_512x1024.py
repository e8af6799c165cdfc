# HRNetV2-W18 + OCR (arXiv 1909.11065), Cityscapes, crop 512x1024.
# Neither the paper nor the official code reports W18.
_base_ = 'mmseg::ocrnet/ocrnet_hr18_4xb2-160k_cityscapes-512x1024.py'

# There is no neck: both heads concatenate the backbone's maps themselves (`resize_concat`).
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w18', extra=None, upsample='bilinear'),
)

# The official recipe, the same as without OCR: SGD 0.01, poly 0.9 down to 0, 120k iterations,
# 4 GPUs x 3 images, scale 0.5-2 and flip only.
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(type='PolyLR', eta_min=0, end=120000)
train_cfg = dict(max_iters=120000, val_interval=12000)
default_hooks = dict(checkpoint=dict(interval=12000))
auto_scale_lr = dict(enable=False, base_batch_size=12)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'PhotoMetricDistortion']
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomCrop'].update(cat_max_ratio=1.0)
train_dataloader = dict(batch_size=3, dataset=dict(pipeline=train_pipeline))
