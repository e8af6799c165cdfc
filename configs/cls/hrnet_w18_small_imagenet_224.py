# HRNet-W18-C-Small-v1 (16 channels wide), ImageNet, 224x224.
# Official code: top-1 72.3 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w18_small'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[16, 32, 64, 128]),
        dict(type='GlobalAveragePooling'),
    ],
)
