# Hybrid Task Cascade, HRNetV2p-W32, COCO with stuff maps, 20 epochs.
# Official code: box AP 45.3, mask AP 39.6 on val (HRNet/HRNet-Object-Detection).
_base_ = 'mmdet::hrnet/htc_hrnetv2p-w32_20e_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
