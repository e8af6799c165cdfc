# Cascade R-CNN, HRNetV2p-W32, COCO, 20 epochs.
# Paper: AP 43.7 on val (arXiv 1908.07919).
_base_ = 'mmdet::hrnet/cascade-rcnn_hrnetv2p-w32-20e_coco.py'

# The batch norms stay as pre-trained, which is mmdet's default.
model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None, norm_eval=True),
    neck=dict(type='hrnet_mm.HRNetV2p'),
)
