# HRNet-W18-C-Small-v2, ImageNet, 224x224.
# Official code: top-1 75.1 (HRNet/HRNet-Image-Classification).
_base_ = './hrnet_w18_imagenet_224.py'

model = dict(backbone=dict(arch='w18_small_v2'))
