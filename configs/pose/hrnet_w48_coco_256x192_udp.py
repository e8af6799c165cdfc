# HRNet-W48 with UDP (arXiv 1911.07524), COCO keypoints, 256x192.
# mmpose: AP 76.8 on val, by its own recipe.
_base_ = './hrnet_w32_coco_256x192_udp.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)
