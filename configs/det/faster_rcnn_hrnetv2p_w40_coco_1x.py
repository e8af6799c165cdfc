# Faster R-CNN, HRNetV2p-W40, COCO, 1x schedule. Paper: AP 40.4 on val (arXiv 1908.07919).
_base_ = 'mmdet::hrnet/faster-rcnn_hrnetv2p-w40-1x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w40', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
