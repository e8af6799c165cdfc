# HRNetV2-W18, 300W, 256x256. Paper: NME 3.34 on full (arXiv 1908.07919).
_base_ = 'mmpose::face_2d_keypoint/topdown_heatmap/300w/td-hm_hrnetv2-w18_8xb64-60e_300w-256x256.py'

codec = dict(sigma=1.0)
# HRNetV2 is the neck, so that the head is the last convolution alone.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w18', extra=None, upsample='bilinear'),
    neck=dict(_delete_=True, type='hrnet_mm.HRNetV2', in_channels=[18, 36, 72, 144]),
    head=dict(conv_out_channels=None, conv_kernel_sizes=None, decoder=codec),
)

# The official recipe, one GPU x 16 images, no warm-up.
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = _base_.param_scheduler[1:]
param_scheduler[0].update(type='MultiStepLR', milestones=[30, 50], end=60)
auto_scale_lr = dict(base_batch_size=16)
train_pipeline = _base_.train_pipeline
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomBBoxTransform'].update(rotate_factor=30)
__train_steps['GenerateTarget'].update(encoder=codec)
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
