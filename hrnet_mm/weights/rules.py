"""What a layout is, and the pairs of names that are too long for the table of layouts.

A name is the beginning of a key, and ``{n}`` in it stands for a number
(:mod:`hrnet_mm.weights.layouts`).
"""

from __future__ import annotations

from dataclasses import dataclass

Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Layout:
    """One project's names for one task.

    Attributes:
        name: of this layout.
        families: what ``--to`` calls the projects that have it.
        task: what the head does; ``''`` without a head.
        key_patterns: regular expressions by which the layout is recognised: each must match the
            beginning of some key outside the backbone.
        rules: pairs of beginnings of keys, theirs and ours, the more specific first:
            ``('last_layer.3.', 'decode_head.conv_seg.')``.
        backbone: what stands before the backbone's names, ``'backbone.'`` or nothing.
        host: the OpenMMLab library whose heads these are. A key without a rule has the same name
            in a host as in ours; in other projects it has no counterpart of ours.
        convs_with_bias: beginnings of the names, by ours, of the convolutions that have a bias
            though a norm follows them.
        background_first: whether a detector's class 0 is the background, as in mmdet 1.x.
        layers_of_keypoints: whether DEKR has layers of each keypoint, not groups of channels.
        version: of the head, where the host takes one that does not say it for an old one, and
            changes its weights when they are loaded.
        prefix: what the project's own tools expect before every key, ``'model.'``.
    """

    name: str
    families: tuple[str, ...]
    task: str
    key_patterns: tuple[str, ...]
    rules: Rules = ()
    backbone: str = ''
    host: str = ''
    convs_with_bias: tuple[str, ...] = ()
    background_first: bool = False
    layers_of_keypoints: bool = False
    version: int = 0
    prefix: str = ''


ONE_MAP = ('pose', 'pose-higher')  # the tasks whose heads read HRNet's finest map only

# By our names.
FUSE_CONV, FUSE_NORM = 'neck.fuse_conv.conv.', 'neck.fuse_conv.bn.'
POSE_HEAD = 'head.final_layer.'
SEG_HEAD = 'decode_head.conv_seg.'
AUX_HEAD, OCR_HEAD = 'decode_head.0.', 'decode_head.1.'
DEKR_HEATMAPS, DEKR_OFFSETS = 'head.heatmap_conv_layers.', 'head.displacement_conv_layers.'

CLS_RULES = (
    ('incre_modules.', 'neck.increase_layers.'),
    ('downsamp_modules.{n}.0.', 'neck.downsample_layers.{n}.conv.'),
    ('downsamp_modules.{n}.1.', 'neck.downsample_layers.{n}.bn.'),
    ('final_layer.0.', 'neck.final_layer.conv.'),
    ('final_layer.1.', 'neck.final_layer.bn.'),
    ('classifier.', 'head.fc.'),
)
_THEIR_BLOCK = 'ocr_distri_head.object_context_block.'
_OUR_BLOCK = f'{OCR_HEAD}object_context_block.'
OCR_RULES = (
    ('aux_head.0.', f'{AUX_HEAD}convs.0.conv.'),
    ('aux_head.1.', f'{AUX_HEAD}convs.0.bn.'),
    ('aux_head.3.', f'{AUX_HEAD}conv_seg.'),
    ('conv3x3_ocr.0.', f'{OCR_HEAD}bottleneck.conv.'),
    ('conv3x3_ocr.1.', f'{OCR_HEAD}bottleneck.bn.'),
    *(
        (f'{_THEIR_BLOCK}{theirs}.', f'{_OUR_BLOCK}{ours}.')
        for their_part, our_part in (('f_pixel', 'query'), ('f_object', 'key'))
        for theirs, ours in (
            (f'{their_part}.0', f'{our_part}_project.0.conv'),
            (f'{their_part}.1.0', f'{our_part}_project.0.bn'),
            (f'{their_part}.2', f'{our_part}_project.1.conv'),
            (f'{their_part}.3.0', f'{our_part}_project.1.bn'),
        )
    ),
    (f'{_THEIR_BLOCK}f_down.0.', f'{_OUR_BLOCK}value_project.conv.'),
    (f'{_THEIR_BLOCK}f_down.1.0.', f'{_OUR_BLOCK}value_project.bn.'),
    (f'{_THEIR_BLOCK}f_up.0.', f'{_OUR_BLOCK}out_project.conv.'),
    (f'{_THEIR_BLOCK}f_up.1.0.', f'{_OUR_BLOCK}out_project.bn.'),
    ('ocr_distri_head.conv_bn_dropout.0.', f'{_OUR_BLOCK}bottleneck.conv.'),
    ('ocr_distri_head.conv_bn_dropout.1.0.', f'{_OUR_BLOCK}bottleneck.bn.'),
    ('cls_head.', f'{OCR_HEAD}conv_seg.'),
)
# mmdet 1.x and before had no roi_head around the heads of the second stage.
ROI_RULES = tuple((f'{head}_head.', f'roi_head.{head}_head.') for head in ('bbox', 'mask'))
HIGHER_RULES = tuple(
    (f'{layers}.', f'head.{layers}.') for layers in ('final_layers', 'deconv_layers')
)
# mmpose has one group of channels where the official DEKR has layers of each keypoint {n}.
DEKR_RULES = (
    ('transition_heatmap.0.', f'{DEKR_HEATMAPS}0.conv.'),
    ('transition_heatmap.1.', f'{DEKR_HEATMAPS}0.bn.'),
    ('head_heatmap.0.0.', f'{DEKR_HEATMAPS}1.'),
    ('head_heatmap.1.', f'{DEKR_HEATMAPS}2.'),
    ('transition_offset.0.', f'{DEKR_OFFSETS}0.conv.'),
    ('transition_offset.1.', f'{DEKR_OFFSETS}0.bn.'),
    ('offset_feature_layers.{n}.0.bn.', f'{DEKR_OFFSETS}1.{{n}}.norm.'),
    ('offset_feature_layers.{n}.0.', f'{DEKR_OFFSETS}1.{{n}}.'),
    ('offset_feature_layers.{n}.1.bn.', f'{DEKR_OFFSETS}2.{{n}}.norm.'),
    ('offset_feature_layers.{n}.1.', f'{DEKR_OFFSETS}2.{{n}}.'),
    ('offset_final_layer.{n}.', f'{DEKR_OFFSETS}3.{{n}}.'),
)
