# HRNet-W76-C of bottlenecks, ImageNet, 224x224. Paper: top-1 78.5 (arXiv 1908.07919).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(
    backbone=dict(arch='w76_bottleneck'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[76, 152, 304, 608]),
        dict(type='GlobalAveragePooling'),
    ],
)
