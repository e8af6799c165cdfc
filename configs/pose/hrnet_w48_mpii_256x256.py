# HRNet-W48, MPII, 256x256. The paper reports no W48 here: W32 saturates (arXiv 1902.09212).
_base_ = './hrnet_w32_mpii_256x256.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)
