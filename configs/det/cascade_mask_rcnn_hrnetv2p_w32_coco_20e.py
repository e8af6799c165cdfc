# Cascade Mask R-CNN, HRNetV2p-W32, COCO, 20 epochs.
# Official code: box AP 44.5, mask AP 38.5 on val (HRNet/HRNet-Object-Detection).
_base_ = 'mmdet::hrnet/cascade-mask-rcnn_hrnetv2p-w32_20e_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
