# HRNetV2-W18 + FCN, ADE20K, crop 520x520. Neither the paper nor the official code reports it.
_base_ = './fcn_hrnetv2_w48_ade20k_520x520.py'

model = dict(
    pretrained='open-mmlab://msra/hrnetv2_w18',
    backbone=dict(arch='w18'),
    neck=dict(in_channels=[18, 36, 72, 144]),
    decode_head=dict(in_channels=270, channels=270),
)
