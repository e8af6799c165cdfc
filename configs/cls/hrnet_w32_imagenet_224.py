# HRNet-W32-C, ImageNet, 224x224. Official code: top-1 78.5 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w32'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[32, 64, 128, 256]),
        dict(type='GlobalAveragePooling'),
    ],
)
