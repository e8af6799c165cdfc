# HRNet-W48-C, ImageNet, 224x224. Official code: top-1 79.3 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w48'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[48, 96, 192, 384]),
        dict(type='GlobalAveragePooling'),
    ],
)
