# Ablation of repeated fusion, trained from scratch: exchange only at the end of every stage.
# Paper: AP 71.9 on COCO val (arXiv 1902.09212, ablation of repeated multi-scale fusion).
_base_ = './hrnet_w32_coco_256x192_fusion_full.py'

model = dict(backbone=dict(fusion='across_stages'))
