# HRNetV2-W18-Small-v2 + FCN, Cityscapes, crop 512x1024.
# Official code: mIoU 76.2 on val (HRNet/HRNet-Semantic-Segmentation).
_base_ = './fcn_hrnetv2_w18_cityscapes_512x1024.py'

model = dict(pretrained='open-mmlab://msra/hrnetv2_w18_small', backbone=dict(arch='w18_small_v2'))
