# Ablation of repeated fusion, trained from scratch: an exchange unit after every module.
# Paper: AP 73.4 on COCO val (arXiv 1902.09212, ablation of repeated multi-scale fusion).
_base_ = './hrnet_w32_coco_256x192.py'

model = dict(
    backbone=dict(
        fusion='full',
        init_cfg=[
            dict(type='Normal', layer='Conv2d', std=0.001),
            dict(type='Constant', layer='_BatchNorm', val=1),
        ],
    )
)
