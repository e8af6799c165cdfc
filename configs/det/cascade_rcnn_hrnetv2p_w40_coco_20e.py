# Cascade R-CNN, HRNetV2p-W40, COCO, 20 epochs.
# mmdet: AP 43.8 on val (configs/hrnet of mmdetection).
_base_ = 'mmdet::hrnet/cascade-rcnn_hrnetv2p-w40-20e_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w40', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
