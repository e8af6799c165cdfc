# CID on HRNet-W48, COCO keypoints, 512x512. mmpose: AP 71.5 on val, by its own recipe.
_base_ = 'mmpose::body_2d_keypoint/cid/coco/cid_hrnet-w48_8xb20-140e_coco-512x512.py'

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w48', extra=None))

# The recipe of the official code, which has W32 only: 2 GPUs x 20 images, uniform numbers for the
# augmentation.
auto_scale_lr = dict(base_batch_size=40)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(distribution='uniform')
train_pipeline[4].update(type='hrnet_mm.BottomupGetHeatmapMask')  # of crowds, too
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
