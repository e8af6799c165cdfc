# Mask R-CNN, HRNetV2p-W32, COCO, 1x schedule.
# Official code: box AP 40.7, mask AP 36.8 on val (HRNet/HRNet-Object-Detection).
_base_ = 'mmdet::hrnet/mask-rcnn_hrnetv2p-w32-1x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
