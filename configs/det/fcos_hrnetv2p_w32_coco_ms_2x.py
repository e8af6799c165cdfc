# FCOS with group norm in the head, HRNetV2p-W32, COCO, two training sizes, 2x schedule.
# Official code: AP 41.9 on minival (HRNet/HRNet-FCOS).
_base_ = 'mmdet::hrnet/fcos_hrnetv2p-w32-gn-head_ms-640-800-4xb4-2x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
