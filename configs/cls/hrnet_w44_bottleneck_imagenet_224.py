# HRNet-W44-C of bottlenecks, ImageNet, 224x224. Paper: top-1 77.0 (arXiv 1908.07919).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w44_bottleneck'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[44, 88, 176, 352]),
        dict(type='GlobalAveragePooling'),
    ],
)
