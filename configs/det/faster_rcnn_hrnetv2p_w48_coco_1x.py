# Faster R-CNN, HRNetV2p-W48, COCO, 1x schedule. Paper: AP 41.3 on val (arXiv 1908.07919).
_base_ = './faster_rcnn_hrnetv2p_w40_coco_1x.py'

model = dict(
    backbone=dict(arch='w48', init_cfg=dict(checkpoint='open-mmlab://msra/hrnetv2_w48')),
    neck=dict(in_channels=[48, 96, 192, 384]),
)
