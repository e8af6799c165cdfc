# HigherHRNet on HRNet-W32, bottom-up, COCO keypoints, 512x512.
# Official code: AP 67.1 on val, one scale and flip (arXiv 1908.10357).
_base_ = './ae_hrnet_w32_coco_512x512.py'

# Heatmaps at 1/4 and at 1/2.
codec = [_base_.codec, dict(_base_.codec, heatmap_size=(256, 256))]
model = dict(head=dict(type='hrnet_mm.HigherHRNetHead', decoder=codec[1]))

train_pipeline = _base_.train_pipeline
train_pipeline[3].update(encoder=codec, multilevel=True)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
