# HRNetV2-W40 + FCN, Cityscapes, crop 512x1024. Paper: mIoU 80.2 on val (arXiv 1908.07919).
_base_ = './fcn_hrnetv2_w18_cityscapes_512x1024.py'

model = dict(
    pretrained='open-mmlab://msra/hrnetv2_w40',
    backbone=dict(arch='w40'),
    neck=dict(in_channels=[40, 80, 160, 320]),
    decode_head=dict(in_channels=600, channels=600),
)
