# HRNet-W48, COCO-WholeBody (133 keypoints, arXiv 2007.11858), 256x192.
# mmpose: whole AP 57.9 on val, by its own recipe.
_base_ = './hrnet_w32_coco_wholebody_256x192.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)
