# HigherHRNet on HRNet-W32, bottom-up, COCO keypoints, 640x640.
# Official code: AP 68.5 on val, one scale and flip, trained in half precision: with --amp.
_base_ = './higherhrnet_w32_coco_512x512.py'

codec = [
    dict(_base_.codec[0], input_size=(640, 640), heatmap_size=(160, 160)),
    dict(_base_.codec[1], input_size=(640, 640), heatmap_size=(320, 320)),
]
model = dict(head=dict(decoder=codec[1]))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(input_size=(640, 640))
train_pipeline[3].update(encoder=codec)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_pipeline = _base_.val_pipeline
val_pipeline[1].update(input_size=(640, 640))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
