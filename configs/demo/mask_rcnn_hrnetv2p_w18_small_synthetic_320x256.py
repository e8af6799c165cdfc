# A small Mask R-CNN that learns the synthetic people on a CPU in minutes (`make demo TASK=det`).
_base_ = './faster_rcnn_hrnetv2p_w18_small_synthetic_320x256.py'

num_channels = _base_.num_channels
model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(pad_mask=True),
    roi_head=dict(
        mask_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=2),
            out_channels=num_channels,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=2,
            in_channels=num_channels,
            conv_out_channels=num_channels,
            num_classes=1,
            norm_cfg=dict(type='BN'),
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_size=28)),
    test_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
train_pipeline = _base_.train_dataloader.dataset.pipeline
__train_steps = {step['type']: step for step in train_pipeline}
__train_steps['LoadAnnotations'].update(with_mask=True)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_pipeline = _base_.val_dataloader.dataset.pipeline
__val_steps = {step['type']: step for step in val_pipeline}
__val_steps['LoadAnnotations'].update(with_mask=True)
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
