# CenterNet ("objects as points", arXiv 1904.07850) on HRNetV2-W48, COCO, crop 512, 140 epochs.
# Not the CenterNet that the paper reports with W48: that is the one of keypoint triplets (arXiv
# 1904.08189), which mmdet does not have. There is hence no published score to compare with.
_base_ = 'mmdet::centernet/centernet_r18_8xb16-crop512-140e_coco.py'

# HRNetV2's one map at 1/4, and the head's 256 channels that the authors give large backbones.
model = dict(
    backbone=dict(
        _delete_=True,
        type='hrnet_mm.HRNet',
        arch='w48',
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://msra/hrnetv2_w48'),
    ),
    neck=dict(_delete_=True, type='hrnet_mm.HRNetV2', in_channels=[48, 96, 192, 384]),
    bbox_head=dict(in_channels=720, feat_channels=256),
)
