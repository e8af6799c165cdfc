# HigherHRNet on HRNet-W48, bottom-up, CrowdPose (arXiv 1812.00324), 640x640.
# Official code: AP 65.9 on test, one scale and flip, trained in half precision: with --amp.
_base_ = './higherhrnet_w32_crowdpose_640x640.py'

model = dict(
    backbone=dict(
        arch='w48',
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
    ),
    head=dict(in_channels=48),
)

# 4 GPUs x 10 images.
train_dataloader = dict(batch_size=10)
auto_scale_lr = dict(base_batch_size=40)
