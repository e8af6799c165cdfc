# Faster R-CNN, HRNetV2p-W18, COCO, 1x schedule. Paper: AP 36.2 on val (arXiv 1908.07919).
_base_ = 'mmdet::hrnet/faster-rcnn_hrnetv2p-w18-1x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w18', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
