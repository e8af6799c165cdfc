# HRNet-W96-C of bottlenecks, ImageNet, 224x224. Paper: top-1 79.0 (arXiv 1908.07919).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w96_bottleneck'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[96, 192, 384, 768]),
        dict(type='GlobalAveragePooling'),
    ],
)
