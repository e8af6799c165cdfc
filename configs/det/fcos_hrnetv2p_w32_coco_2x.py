# FCOS with group norm in the head, HRNetV2p-W32, COCO, 2x schedule.
# Official code: AP 40.3 on val (HRNet/HRNet-Object-Detection).
_base_ = 'mmdet::hrnet/fcos_hrnetv2p-w32-gn-head_4xb4-2x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
