# FCOS with group norm in the head, HRNetV2p-W18, COCO, 2x schedule.
# Official code: AP 37.7 on minival (HRNet/HRNet-FCOS).
_base_ = 'mmdet::hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-2x_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w18', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
