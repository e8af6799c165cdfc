"""Weights of one project under the names of another."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.models.archs import extra_of
from hrnet_mm.models.hrnet import HRNet
from hrnet_mm.weights.dekr import join_keypoints, part_keypoints
from hrnet_mm.weights.layouts import layout_for, layout_named
from hrnet_mm.weights.recognise import (
    BACKBONE,
    COUNTER,
    Naming,
    StateDict,
    backbone_of,
    recognise,
    stages_of,
)
from hrnet_mm.weights.reshape_heads import match_biases, move_background
from hrnet_mm.weights.rules import (
    AUX_HEAD,
    DEKR_HEATMAPS,
    DEKR_OFFSETS,
    FUSE_CONV,
    FUSE_NORM,
    OCR_HEAD,
    ONE_MAP,
    POSE_HEAD,
    SEG_HEAD,
)

# The beginnings of the keys of each task's neck and head, by our names.
HEADS = {
    'pose': (POSE_HEAD,),
    'pose-higher': ('head.final_layers.0.', 'head.deconv_layers.0.', 'head.final_layers.1.'),
    'pose-dekr': (f'{DEKR_HEATMAPS}0.conv.', f'{DEKR_HEATMAPS}2.', f'{DEKR_OFFSETS}0.conv.'),
    'face': (FUSE_CONV, FUSE_NORM, POSE_HEAD),
    'seg': (FUSE_CONV, FUSE_NORM, SEG_HEAD),
    'seg-ocr': (
        f'{AUX_HEAD}convs.0.conv.',
        f'{AUX_HEAD}conv_seg.',
        f'{OCR_HEAD}bottleneck.conv.',
        f'{OCR_HEAD}object_context_block.bottleneck.conv.',
        f'{OCR_HEAD}conv_seg.',
    ),
    'det': ('neck.reduction_conv.conv.', 'neck.fpn_convs.0.conv.'),  # its heads vary
    'cls': (
        'neck.increase_layers.',
        'neck.downsample_layers.0.conv.',
        'neck.final_layer.conv.',
        'head.fc.',
    ),
}


@dataclass(frozen=True)
class Report:
    """What became of the weights.

    Attributes:
        source, target: the names before and after.
        mapped: from each key that went over to its new name; of a tensor that became several, to
            the first of theirs.
        dropped: the keys that the target has no place for.
        missing: the keys of the target that the source has nothing for; of a head that is missing
            as a whole, the beginning of its keys.
        folded: biases that went into the running mean of the norm behind their convolution, since
            the target's convolution has none.
        added: biases of zero, which the target's convolution has and the source's has not.
    """

    source: Naming
    target: Naming
    mapped: dict[str, str]
    dropped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def renamed(self) -> dict[str, str]:
        """``mapped`` without the keys that stay as they are."""
        return {old: new for old, new in self.mapped.items() if old != new}


def convert(
    weights: StateDict,
    to: str | Naming,
    from_: str | Naming | None = None,
    where: str = 'the state dict',
) -> tuple[dict[str, Tensor], Report]:
    """Rename weights, and reshape the few that two projects keep in different form.

    Between two tasks only the backbone goes over; within one, the head does too. Tensors are not
    copied where they do not change.

    Args:
        weights: a state dict.
        to: a family (``'timm'``, see ``hrnet_mm.weights.layouts.FAMILIES``), a layout
            (``'official-pose'``) or the names of a model.
        from_: the layout of ``weights``. Default: recognised by the keys.
        where: what the weights are of, for the messages.

    Returns:
        The converted state dict, and what became of each key.

    Raises:
        UserError: ``weights`` holds no HRNet, or several, or one in another layout.
        ValueError: there is no family or layout of that name.

    Example:
        >>> from hrnet_mm.weights.convert import convert
        >>> from hrnet_mm.models import HRNet
        >>> weights, report = convert(HRNet(8).state_dict(), to='mmpose')
        >>> report.source.layout.name, report.target.layout.name, list(weights)[0]
        ('backbone', 'mmpose', 'backbone.conv1.weight')
    """
    if isinstance(from_, Naming):
        source = from_
    else:
        source = recognise(weights, where, None if from_ is None else layout_named(from_))
    if isinstance(to, Naming):
        target = to
    else:
        same = to in source.layout.families
        layout = source.layout if same else layout_for(to, source.layout.task)
        target = Naming(layout, layout.prefix)
    if source == target:
        report = Report(source, target, {key: key for key in weights})
        return with_version(copy(weights), target), report
    if source.layout == target.layout:
        moved = {key: target.prefix + name for name, key in source.inside(weights).items()}
        dropped = tuple(key for key in weights if key not in moved)
        converted = {new: weights[old] for old, new in moved.items()}
        return with_version(converted, target), Report(source, target, moved, dropped)
    converted, report = _translate(weights, source, target, where)
    return with_version(converted, target), report


def with_version(weights: StateDict, naming: Naming) -> StateDict:
    """A state dict that says the version of its head, where the layout has one.

    mmpose's DEKRHead and CIDHead change weights that do not say it: they reorder heatmaps, and
    look for keys of other names.
    """
    if not naming.layout.version:
        return weights
    versions = dict(getattr(weights, '_metadata', {}))
    versions[f'{naming.prefix}head'] = dict(version=naming.layout.version)
    weights = OrderedDict(weights)
    weights._metadata = versions
    return weights


def _translate(
    weights: StateDict, source: Naming, target: Naming, where: str
) -> tuple[dict[str, Tensor], Report]:
    """From the source's keys to our names, by which heads are reshaped, to the target's keys."""
    same_task = source.layout.task == target.layout.task
    old_keys = {
        name: key
        for key in weights
        if (name := source.to_ours(key)) is not None and (same_task or name.startswith(BACKBONE))
    }
    ours = {name: weights[key] for name, key in old_keys.items()}
    if source.layout.background_first != target.layout.background_first:
        ours = move_background(ours, first=target.layout.background_first)
    became: dict[str, str] = {}
    if source.layout.layers_of_keypoints != target.layout.layers_of_keypoints:
        move = part_keypoints if target.layout.layers_of_keypoints else join_keypoints
        try:
            ours, became = move(ours)
        except ValueError as error:
            raise UserError(f'{where} is no complete DEKR: {error}') from error
    ours, folded, added = match_biases(ours, target.layout.convs_with_bias)
    new_keys = {name: key for name in ours if (key := target.to_theirs(name)) is not None}
    converted = {key: ours[name] for name, key in new_keys.items()}
    mapped = {
        key: new_keys[new]
        for name, key in old_keys.items()
        if (new := became.get(name, name)) in new_keys
    }
    folded = tuple(old_keys[name] for name in folded)
    report = Report(
        source,
        target,
        mapped,
        dropped=tuple(key for key in weights if key not in mapped and key not in folded),
        missing=missing_keys(converted, source, target, where),
        folded=folded,
        added=tuple(new_keys[name] for name in added),
    )
    return converted, report


def missing_keys(
    converted: StateDict, source: Naming, target: Naming, where: str
) -> tuple[str, ...]:
    """The missing keys of the backbone, and ``'decode_head.conv_seg.*'`` of a missing head.

    A backbone for heatmaps needs the finest map only. Counters of batches are never missing.
    """
    stages = stages_of(backbone_of(converted, target.backbone), where)
    outputs = (0,) if target.layout.task in ONE_MAP else None
    with torch.device('meta'):
        net = HRNet(extra=extra_of(stages), out_indices=outputs)
    keys = (target.backbone + key for key in net.state_dict() if not key.endswith(COUNTER))
    missing = [key for key in keys if key not in converted]
    if source.layout.task == target.layout.task and not source.layout.rules:
        return tuple(missing)  # the head is as the source had it, whatever it is
    for name in HEADS.get(target.layout.task, ()):
        start = target.to_theirs(name)
        if start is not None and not any(key.startswith(start) for key in converted):
            missing.append(f'{start}*')
    return tuple(missing)
