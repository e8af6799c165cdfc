"""What a layout wants that converted weights do not have."""

from __future__ import annotations

from collections.abc import Collection

import torch

from hrnet_mm.models.archs import Stage, extra_of
from hrnet_mm.models.hrnet import HRNet
from hrnet_mm.weights.contents import Weights
from hrnet_mm.weights.head_rules import AUX, CLASSES, FUSE_CONV, FUSE_NORM, KEYPOINTS, OCR
from hrnet_mm.weights.names import COUNTER, to_theirs
from hrnet_mm.weights.recognise import Naming
from hrnet_mm.weights.width import backbone_of, stages_of

# The beginnings of the keys of each task's neck and head, by our names.
PARTS = {
    'pose': (KEYPOINTS,),
    'face': (FUSE_CONV, FUSE_NORM, KEYPOINTS),
    'seg': (FUSE_CONV, FUSE_NORM, CLASSES),
    'seg-ocr': (
        f'{AUX}convs.0.conv.',
        f'{AUX}conv_seg.',
        f'{OCR}bottleneck.conv.',
        f'{OCR}object_context_block.bottleneck.conv.',
        f'{OCR}conv_seg.',
    ),
    'det': ('neck.reduction_conv.conv.', 'neck.fpn_convs.0.conv.'),  # its heads vary
    'cls': (
        'neck.increase_layers.',
        'neck.downsample_layers.0.conv.',
        'neck.final_layer.conv.',
        'head.fc.',
    ),
}


def missing_keys(converted: Weights, source: Naming, target: Naming, where: str) -> tuple[str, ...]:
    """The backbone's missing keys, and of every part of the head that is missing, ``'part.*'``.

    A backbone for poses needs the finest map only. Counters of batches are never missing.
    """
    stages = stages_of(backbone_of(converted, target.backbone), where)
    outputs = (0,) if target.layout.task == 'pose' else None
    wanted = (target.backbone + key for key in backbone_keys(stages, outputs))
    missing = [key for key in wanted if key not in converted]
    if source.layout.task == target.layout.task and not source.layout.rules:
        return tuple(missing)  # the head is as the source had it, whatever it is
    return (*missing, *_missing_parts(converted, target))


def backbone_keys(stages: tuple[Stage, ...], outputs: Collection[int] | None) -> list[str]:
    """The keys of an HRNet, without the counters of batches."""
    with torch.device('meta'):
        net = HRNet(extra=extra_of(stages), out_indices=outputs)
    return [key for key in net.state_dict() if not key.endswith(COUNTER)]


def _missing_parts(converted: Weights, target: Naming) -> list[str]:
    parts = (to_theirs(part, target.layout) for part in PARTS.get(target.layout.task, ()))
    named = (target.prefix + part for part in parts if part is not None)
    return [f'{part}*' for part in named if not any(key.startswith(part) for key in converted)]
