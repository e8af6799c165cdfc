# HRNet-W32, PoseTrack18, 256x192, fine-tuned from COCO in 20 epochs. The paper reports
# PoseTrack2017 with its own tracker (arXiv 1902.09212, section 4.3), which does not compare.
_base_ = (
    'mmpose::body_2d_keypoint/topdown_heatmap/posetrack18/'
    'td-hm_hrnet-w32_8xb64-20e_posetrack18-256x192.py'
)

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, out_indices=(0,)))

# The paper's recipe: 1e-4, x0.1 at epochs 10 and 15; augmentation as on COCO.
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = _base_.param_scheduler[1:]
auto_scale_lr = dict(base_batch_size=256)
train_pipeline = _base_.train_pipeline
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomBBoxTransform'].update(
    shift_prob=0, scale_factor=(0.65, 1.35), rotate_factor=80
)
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
# The base names 'posetrack18/Total AP', which is not measured.
default_hooks = dict(checkpoint=dict(save_best='posetrack18/AP'))
