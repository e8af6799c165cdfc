# HRNetV2-W48 + FCN, LIP, 473x473.
# Official code: mIoU 56.04 on val with flip (HRNet/HRNet-Semantic-Segmentation).
_base_ = 'mmseg::hrnet/fcn_hr48_4xb2-160k_cityscapes-512x1024.py'

crop_size = (473, 473)
# HRNetV2 is the neck, so that the head is the classifier alone.
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(type='hrnet_mm.HRNet', arch='w48', extra=None, upsample='bilinear'),
    neck=dict(
        type='hrnet_mm.HRNetV2',
        in_channels=[48, 96, 192, 384],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    decode_head=dict(
        in_channels=720,
        in_index=0,
        channels=720,
        input_transform=None,
        num_convs=0,
        num_classes=20,
    ),
)

# The paper's recipe (arXiv 1908.07919): SGD 0.007, weight decay 5e-4, poly 0.9 down to 0, 110k
# iterations, 4 GPUs x 10 images; official code: every image to 473x473, scale 0.5-1.6, and a flip
# that exchanges left and right.
optim_wrapper = dict(optimizer=dict(lr=0.007))
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(type='PolyLR', eta_min=0, end=110000)
train_cfg = dict(max_iters=110000, val_interval=11000)
default_hooks = dict(checkpoint=dict(interval=11000))
auto_scale_lr = dict(enable=False, base_batch_size=40)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'PhotoMetricDistortion']
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['RandomResize'].update(scale=crop_size, ratio_range=(0.5, 1.6), keep_ratio=False)
__train_steps['RandomCrop'].update(crop_size=crop_size, cat_max_ratio=1.0)
__train_steps['RandomFlip'].update(swap_seg_labels=[(14, 15), (16, 17), (18, 19)])
test_pipeline = _base_.test_pipeline
__test_steps = {step['type']: step for step in test_pipeline}
__test_steps['Resize'].update(scale=crop_size, keep_ratio=False)
data_root = 'data/LIP/'
train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    dataset=dict(
        type='LIPDataset',
        data_root=data_root,
        data_prefix=dict(
            img_path='TrainVal_images/train_images',
            seg_map_path='TrainVal_parsing_annotations/train_segmentations',
        ),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='LIPDataset',
        data_root=data_root,
        data_prefix=dict(
            img_path='TrainVal_images/val_images',
            seg_map_path='TrainVal_parsing_annotations/val_segmentations',
        ),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
