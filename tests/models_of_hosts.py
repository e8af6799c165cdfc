"""Configs of ours with narrow models, and checkpoints of them with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from tests.helpers import CONFIGS

DETECTION = """
_base_ = '{configs}/det/mask_rcnn_hrnetv2p_w18_coco_1x.py'
roi_extractor = dict(out_channels=16)
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None, norm_eval=False),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(in_channels=16, fc_out_channels=32),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(in_channels=16, conv_out_channels=16),
    ),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=50), rcnn=dict(max_per_img=6)),
)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(type='Resize', scale=(160, 96))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
SEGMENTATION = """
_base_ = '{configs}/seg/fcn_hrnetv2_w18_small_cityscapes_512x1024.py'
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(type='Resize', scale=(128, 96))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
CLASSIFICATION = """
_base_ = '{configs}/cls/hrnet_w18_small_imagenet_224.py'
model = dict(
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[16, 32, 64, 128], out_channels=64),
        dict(type='GlobalAveragePooling'),
    ],
    head=dict(in_channels=64),
)
"""
BOTTOM_UP = """
_base_ = '{configs}/pose/dekr_hrnet_w32_coco_512x512.py'
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None),
    head=dict(in_channels=240, rescore_cfg=None),
)
test_pipeline = _base_.val_pipeline
test_pipeline[1].update(type='BottomupResize', input_size=(128, 128))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
# With flips, and one with two scales. Few candidates, so that rounding decides nothing.
HIGHER = """
_base_ = '{configs}/pose/higherhrnet_w32_coco_512x512.py'
few = dict(max_candidates=2)
model = dict(
    type='hrnet_mm.MultiScaleEstimator',
    backbone=dict(arch='w18_small', init_cfg=None),
    head=dict(
        in_channels=16,
        num_blocks=1,
        decoder=dict(input_size=(128, 128), heatmap_size=(64, 64), grouping=few),
    ),
    test_cfg=dict(multiscale_test=True, scales=(1, 0.5)),
)
test_pipeline = _base_.val_pipeline
test_pipeline[1].update(input_size=(128, 128), size_factor=128)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
ASSOCIATIVE = """
_base_ = '{configs}/pose/ae_hrnet_w32_coco_512x512.py'
few = dict(max_candidates=2)
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None),
    head=dict(
        in_channels=16,
        decoder=dict(input_size=(128, 128), heatmap_size=(32, 32), grouping=few),
    ),
    # At the image's size, neighbours on the border are equal but for rounding.
    test_cfg=dict(restore_heatmap_size=False),
)
test_pipeline = _base_.val_pipeline
test_pipeline[1].update(input_size=(128, 128))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
CID = """
_base_ = '{configs}/pose/cid_hrnet_w32_coco_512x512.py'
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None),
    head=dict(in_channels=240, gfd_channels=8),
    test_cfg=dict(max_instances=3),
)
test_pipeline = _base_.val_pipeline
test_pipeline[1].update(input_size=(128, 128))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
POSE_TRAINING = """
_base_ = '{configs}/demo/hrnet_small_synthetic_128x96.py'
width = 4
model = dict(
    backbone=dict(extra=dict(
        stage1=dict(num_channels=(8,)), stage2=dict(num_channels=(4, 8)),
        stage3=dict(num_channels=(4, 8, 16)), stage4=dict(num_channels=(4, 8, 16, 32)))),
    head=dict(in_channels=4))
train_cfg = dict(max_epochs=3, val_interval=3)
train_dataloader = dict(batch_size=4)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=-1))
"""
POSE = """
_base_ = '{configs}/pose/hrnet_w32_coco_256x192.py'
model = dict(backbone=dict(arch='w18_small', init_cfg=None), head=dict(in_channels=16))
"""
FACE = """
_base_ = '{configs}/face/hrnetv2_w18_wflw_256x256.py'
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None),
    neck=dict(in_channels=[16, 32, 64, 128]),
    head=dict(in_channels=240),
)
"""


# The weights of these layers get larger random numbers, so that predictions are neither alike nor
# near zero.
TINY = {
    'detection': (
        DETECTION,
        {
            'rpn_head.rpn_cls': 0.5,
            'rpn_head.rpn_reg': 0.05,
            'roi_head.bbox_head.fc_cls': 4,
            'roi_head.bbox_head.fc_reg': 2,
            'roi_head.mask_head.conv_logits': 2,
        },
    ),
    'segmentation': (SEGMENTATION, {'decode_head.conv_seg': 0.5}),
    'classification': (CLASSIFICATION, {'head.fc': 10}),
    'bottom_up': (BOTTOM_UP, {'head.heatmap_conv_layers.2': 10}),
    'higher': (HIGHER, {'head.final_layers.0': 0.3, 'head.final_layers.1': 0.3}),
    'associative': (ASSOCIATIVE, {'head.final_layer': 0.3}),
    'cid': (CID, {'head.iia_module.keypoint_root_conv': 0.3, 'head.gfd_module.heatmap_conv': 3}),
    'pose': (POSE, {'head.final_layer': 0.1}),
    'face': (FACE, {'head.final_layer': 0.5}),
}


@dataclass(frozen=True)
class TinyModel:
    """The files of a model, as the strings that the hosts' own functions take."""

    config: str
    checkpoint: str


def make_tiny_model(name: str, folder: Path) -> TinyModel:
    """Write a config of ``TINY``, and a checkpoint as a Runner's, but silent on its dataset."""
    text, spread = TINY[name]
    config, checkpoint = folder / f'tiny_{name}.py', folder / f'tiny_{name}.pth'
    config.write_text(text.format(configs=CONFIGS))
    torch.manual_seed(0)
    model = build(Config.fromfile(config))
    for layer, std in spread.items():
        nn.init.normal_(model.get_submodule(layer).weight, std=std)
    log = MessageHub(name)
    log.update_scalar('train/loss', 1.0)
    contents = {'state_dict': model.state_dict(), 'message_hub': log.state_dict(), 'meta': {}}
    torch.save(contents, checkpoint)
    return TinyModel(str(config), str(checkpoint))


def build(cfg: Config) -> nn.Module:
    """The model as a Runner without GPUs builds it."""
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
        return revert_sync_batchnorm(MODELS.build(cfg.model))
