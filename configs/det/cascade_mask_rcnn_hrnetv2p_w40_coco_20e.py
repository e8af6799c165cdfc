# Cascade Mask R-CNN, HRNetV2p-W40, COCO, 20 epochs.
# mmdet: box AP 45.1, mask AP 39.3 on val (configs/hrnet of mmdetection).
_base_ = 'mmdet::hrnet/cascade-mask-rcnn_hrnetv2p-w40-20e_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w40', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
