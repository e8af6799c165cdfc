# HRNet-W64-C, ImageNet, 224x224. Official code: top-1 79.5 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w64'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[64, 128, 256, 512]),
        dict(type='GlobalAveragePooling'),
    ],
)
