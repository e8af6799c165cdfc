# HRNetV2-W48 + FCN, Cityscapes, crop 512x1024. Paper: mIoU 81.1 on val (arXiv 1908.07919).
_base_ = './fcn_hrnetv2_w18_cityscapes_512x1024.py'

model = dict(
    pretrained='open-mmlab://msra/hrnetv2_w48',
    backbone=dict(arch='w48'),
    neck=dict(in_channels=[48, 96, 192, 384]),
    decode_head=dict(in_channels=720, channels=720),
)
