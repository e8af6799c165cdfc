# HRNet-W40-C, ImageNet, 224x224. Official code: top-1 78.9 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w40'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[40, 80, 160, 320]),
        dict(type='GlobalAveragePooling'),
    ],
)
