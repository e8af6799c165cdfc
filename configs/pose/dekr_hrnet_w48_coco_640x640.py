# DEKR on HRNet-W48, bottom-up, COCO keypoints, 640x640.
# Official code: AP 71.0 on val, one scale and flip (HRNet/DEKR, arXiv 2104.02300).
_base_ = 'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w48_8xb10-140e_coco-640x640.py'

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w48', extra=None))

# The official recipe: 8 GPUs x 5 images, no warm-up, uniform numbers for the augmentation.
param_scheduler = _base_.param_scheduler[1:]
auto_scale_lr = dict(base_batch_size=40)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(distribution='uniform')
train_pipeline[4].update(type='hrnet_mm.BottomupGetHeatmapMask')  # of crowds, too
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=train_pipeline))
