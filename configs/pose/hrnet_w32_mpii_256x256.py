# HRNet-W32, MPII, 256x256. Official code: PCKh@0.5 90.3 on val (leoxiaobin/
# deep-high-resolution-net.pytorch); the paper reports 92.3 on test (arXiv 1902.09212, table 3).
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/mpii/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py'

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, out_indices=(0,)))

# The paper's recipe, for 8 GPUs x 32 images; its code has no warm-up.
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = _base_.param_scheduler[1:]
auto_scale_lr = dict(base_batch_size=256)
train_pipeline = _base_.train_pipeline
__train_steps = {step['type']: step for step in train_pipeline}
# Less than on COCO, as in the official experiment: scale has its range, and rotation the standard
# deviation of N(0, 30) clipped at 60 degrees, which is 29.
__train_steps['RandomBBoxTransform'].update(
    shift_prob=0, scale_factor=(0.75, 1.25), rotate_factor=53
)
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
