# DEKR on HRNet-W32, bottom-up, COCO keypoints, 512x512.
# Official code: AP 68.0 on val, one scale and flip (HRNet/DEKR, arXiv 2104.02300).
_base_ = 'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py'

model = dict(backbone=dict(type='hrnet_mm.HRNet', arch='w32', extra=None))

# The official schedule is mmpose's, without its warm-up.
param_scheduler = _base_.param_scheduler[1:]
