# Mask R-CNN, HRNetV2p-W40, COCO, 2x schedule.
# mmdet: box AP 42.8, mask AP 38.2 on val (configs/hrnet of mmdetection).
_base_ = 'mmdet::hrnet/mask-rcnn_hrnetv2p-w40-2x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w40', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
