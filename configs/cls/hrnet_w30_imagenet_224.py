# HRNet-W30-C, ImageNet, 224x224. Official code: top-1 78.2 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w30'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[30, 60, 120, 240]),
        dict(type='GlobalAveragePooling'),
    ],
)
