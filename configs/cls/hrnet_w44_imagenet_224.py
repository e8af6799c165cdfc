# HRNet-W44-C, ImageNet, 224x224. Official code: top-1 78.9 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w44'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[44, 88, 176, 352]),
        dict(type='GlobalAveragePooling'),
    ],
)
