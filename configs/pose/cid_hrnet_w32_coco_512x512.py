# CID on HRNet-W32, COCO keypoints, 512x512.
# Official code: AP 69.8 on val (kennethwdk/CID, CVPR 2022); mmpose: 70.4, by its own recipe.
_base_ = 'mmpose::body_2d_keypoint/cid/coco/cid_hrnet-w32_8xb20-140e_coco-512x512.py'

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None))

# The official recipe: 2 GPUs x 20 images, uniform numbers for the augmentation.
auto_scale_lr = dict(base_batch_size=40)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(distribution='uniform')
train_pipeline[4].update(type='hrnet_mm.BottomupGetHeatmapMask')  # of crowds, too
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
