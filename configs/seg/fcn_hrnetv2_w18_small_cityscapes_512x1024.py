# HRNetV2-W18-Small (16 channels wide) + FCN, Cityscapes, crop 512x1024.
# Official code: mIoU 70.3 on val (HRNet/HRNet-Semantic-Segmentation).
_base_ = './fcn_hrnetv2_w18_cityscapes_512x1024.py'

# OpenMMLab's hub has no pre-trained weights of it; its hrnetv2_w18_small is w18_small_v2.
model = dict(
    pretrained=None,
    backbone=dict(arch='w18_small'),
    neck=dict(in_channels=[16, 32, 64, 128]),
    decode_head=dict(in_channels=240, channels=240),
)
