# HRNet-W48 with DARK (arXiv 1910.06278), COCO keypoints, 256x192.
# mmpose: AP 76.4 on val, by its own recipe.
_base_ = './hrnet_w32_coco_256x192_dark.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)
