# DEKR on HRNet-W32, bottom-up, COCO keypoints, 512x512.
# Official code: AP 68.0 on val, one scale and flip (HRNet/DEKR, arXiv 2104.02300).
_base_ = 'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py'

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None))

# The official recipe: 4 GPUs x 10 images, no warm-up, uniform numbers for the augmentation.
param_scheduler = _base_.param_scheduler[1:]
auto_scale_lr = dict(base_batch_size=40)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(distribution='uniform')
train_pipeline[4].update(type='hrnet_mm.BottomupGetHeatmapMask')  # of crowds, too
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
