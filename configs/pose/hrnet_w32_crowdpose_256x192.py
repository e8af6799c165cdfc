# HRNet-W32, CrowdPose (arXiv 1812.00324), 256x192.
# mmpose: AP 67.5 on test, by its own recipe.
_base_ = (
    'mmpose::body_2d_keypoint/topdown_heatmap/crowdpose/'
    'td-hm_hrnet-w32_8xb64-210e_crowdpose-256x192.py'
)

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, out_indices=(0,)))

# The recipe of HRNet's paper, for 8 GPUs x 32 images; its code has no warm-up.
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = _base_.param_scheduler[1:]
auto_scale_lr = dict(base_batch_size=256)
train_pipeline = _base_.train_pipeline
__train_steps = {step['type']: step for step in train_pipeline}
# The official code clips normal numbers, mmpose truncates them: scale has the paper's range, and
# rotation the standard deviation of N(0, 45) clipped at 90 degrees, which is 43.
__train_steps['RandomBBoxTransform'].update(
    shift_prob=0, scale_factor=(0.65, 1.35), rotate_factor=80
)
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
