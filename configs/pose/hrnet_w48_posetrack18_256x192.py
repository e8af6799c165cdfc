# HRNet-W48, PoseTrack18, 256x192, fine-tuned from COCO in 20 epochs.
_base_ = './hrnet_w32_posetrack18_256x192.py'

model = dict(backbone=dict(arch='w48'), head=dict(in_channels=48))

load_from = 'https://download.openmmlab.com/mmpose/v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth'  # noqa: E501
# The base names 'posetrack18/Total AP', which is not measured.
default_hooks = dict(checkpoint=dict(save_best='posetrack18/AP'))
