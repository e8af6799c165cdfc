# HRNet-W48, COCO keypoints, 256x192. Paper: AP 75.1 on val (arXiv 1902.09212, table 1).
_base_ = './hrnet_w32_coco_256x192.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)
