# HRNet-W48, COCO keypoints, 384x288. Paper: AP 76.3 on val (arXiv 1902.09212, table 1).
_base_ = './hrnet_w32_coco_384x288.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)
