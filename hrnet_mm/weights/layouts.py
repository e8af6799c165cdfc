"""The table of known layouts: how each project names the weights of an HRNet and its heads.

Every project gives the backbone the same names, except for what stands before them. They differ in
the heads. A layout is one row: the keys it is recognised by, and pairs of their names and ours.

A name in a rule is the beginning of a key, and ``{n}`` in it stands for a number. "Ours" are the
names of this package's necks in the hosts' models::

    backbone.*                                  HRNet
    neck.fuse_conv.{conv,bn}                    HRNetV2 (segmentation, landmarks)
    neck.reduction_conv.conv, neck.fpn_convs.*  HRNetV2p, as mmdet's HRFPN
    neck.{increase,downsample}_layers.*, neck.final_layer   HRNetCls, as mmpretrain's HRFuseScales
    head.*, decode_head.*, rpn_head.*, roi_head.*           the hosts' own heads

Sources: the constructors in leoxiaobin/deep-high-resolution-net.pytorch and in HRNet/HRNet-
{Image-Classification, Semantic-Segmentation, Object-Detection, Facial-Landmark-Detection}, timm
1.0, mmpose 0.x and 1.3, mmdet 1.x and 3.3, mmseg 1.2, mmpretrain 1.2.
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
    prefix: str = ''


# Beginnings of names, by ours, and the rules that are too long for the table or stand in two rows.
FUSE_CONV, FUSE_NORM = 'neck.fuse_conv.conv.', 'neck.fuse_conv.bn.'
POSE_HEAD = 'head.final_layer.'
SEG_HEAD = 'decode_head.conv_seg.'

CLS_RULES = (
    ('incre_modules.', 'neck.increase_layers.'),
    ('downsamp_modules.{n}.0.', 'neck.downsample_layers.{n}.conv.'),
    ('downsamp_modules.{n}.1.', 'neck.downsample_layers.{n}.bn.'),
    ('final_layer.0.', 'neck.final_layer.conv.'),
    ('final_layer.1.', 'neck.final_layer.bn.'),
    ('classifier.', 'head.fc.'),
)
AUX_HEAD, OCR_HEAD = 'decode_head.0.', 'decode_head.1.'
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
MMPOSE, MMSEG, MMDET, MMPRETRAIN = (
    dict(backbone='backbone.', host=host) for host in ('mmpose', 'mmseg', 'mmdet', 'mmpretrain')
)

# Weights are in the first layout whose patterns all match, so the more special rows come first.
LAYOUTS = (
    Layout(
        'official-ocr',
        ('official',),
        'seg-ocr',
        (r'ocr_distri_head\.',),
        OCR_RULES,
        convs_with_bias=(f'{AUX_HEAD}convs.0.conv.', f'{OCR_HEAD}bottleneck.conv.'),
        prefix='model.',
    ),
    Layout(
        'official-cls',
        ('official', 'timm'),
        'cls',
        (r'incre_modules\.',),
        CLS_RULES,
        convs_with_bias=('neck.downsample_layers.{n}.conv.', 'neck.final_layer.conv.'),
    ),
    Layout(
        'official-seg',
        ('official',),
        'seg',
        (r'last_layer\.0\.', r'last_layer\.3\.'),
        (
            ('last_layer.0.', FUSE_CONV),
            ('last_layer.1.', FUSE_NORM),
            ('last_layer.3.', SEG_HEAD),
        ),
        convs_with_bias=(FUSE_CONV,),
        prefix='model.',
    ),
    Layout(
        'official-face',
        ('official',),
        'face',
        (r'head\.0\.', r'head\.3\.'),
        (('head.0.', FUSE_CONV), ('head.1.', FUSE_NORM), ('head.3.', POSE_HEAD)),
        convs_with_bias=(FUSE_CONV,),
    ),
    Layout(
        'official-pose',
        ('official',),
        'pose',
        (r'final_layer\.(weight|bias)$',),
        (('final_layer.', POSE_HEAD),),
    ),
    Layout(
        'official-det',
        ('official',),
        'det',
        (r'neck\.reduction_conv\.0\.',),
        (
            ('neck.reduction_conv.0.', 'neck.reduction_conv.conv.'),
            ('neck.fpn_conv.{n}.', 'neck.fpn_convs.{n}.conv.'),
            ('rpn_head.', 'rpn_head.'),
            *ROI_RULES,
        ),
        backbone='backbone.',
        background_first=True,
    ),
    Layout(
        'mmdet1',
        ('mmdet1',),
        'det',
        (r'neck\.reduction_conv\.conv\.', r'rpn_head\.', r'bbox_head\.'),
        ROI_RULES,
        **MMDET,
        background_first=True,
    ),
    Layout(
        'mmdet',
        ('mmdet', 'hrnet_mm'),
        'det',
        (r'(neck\.(reduction_conv|fpn_convs)|rpn_head|roi_head|bbox_head)\.',),
        **MMDET,
    ),
    Layout(
        'mmpose0-face',
        ('mmpose0',),
        'face',
        (r'keypoint_head\.final_layer\.0\.', r'keypoint_head\.final_layer\.3\.'),
        (
            ('keypoint_head.final_layer.0.', FUSE_CONV),
            ('keypoint_head.final_layer.1.', FUSE_NORM),
            ('keypoint_head.final_layer.3.', POSE_HEAD),
        ),
        **MMPOSE,
        convs_with_bias=(FUSE_CONV,),
    ),
    Layout(
        'mmpose0',
        ('mmpose0',),
        'pose',
        (r'keypoint_head\.',),
        (('keypoint_head.', 'head.'),),
        **MMPOSE,
    ),
    Layout(
        'hrnet_mm-face',
        ('hrnet_mm',),
        'face',
        (r'neck\.fuse_conv\.', r'head\.final_layer\.'),
        **MMPOSE,
    ),
    Layout(
        'mmpose-face',
        ('mmpose',),
        'face',
        (r'head\.conv_layers\.0\.', r'head\.final_layer\.'),
        (('head.conv_layers.0.', FUSE_CONV), ('head.conv_layers.1.', FUSE_NORM)),
        **MMPOSE,
        convs_with_bias=(FUSE_CONV,),
    ),
    Layout(
        'hrnet_mm-seg',
        ('hrnet_mm',),
        'seg',
        (r'neck\.fuse_conv\.', r'decode_head\.conv_seg\.'),
        **MMSEG,
    ),
    Layout(
        'mmseg-ocr',
        ('mmseg', 'hrnet_mm'),
        'seg-ocr',
        (r'decode_head\.1\.object_context_block\.',),
        **MMSEG,
    ),
    Layout(
        'mmseg',
        ('mmseg',),
        'seg',
        (r'decode_head\.convs\.0\.conv\.', r'decode_head\.conv_seg\.'),
        (('decode_head.convs.0.conv.', FUSE_CONV), ('decode_head.convs.0.bn.', FUSE_NORM)),
        **MMSEG,
    ),
    Layout(
        'mmpretrain',
        ('mmpretrain', 'hrnet_mm'),
        'cls',
        (r'neck\.0\.increase_layers\.',),
        (('neck.0.', 'neck.'),),
        **MMPRETRAIN,
    ),
    Layout(  # where pooling is not a second neck
        'mmpretrain-one-neck',
        ('mmpretrain', 'hrnet_mm'),
        'cls',
        (r'neck\.increase_layers\.',),
        **MMPRETRAIN,
    ),
    Layout('mmpose', ('mmpose', 'hrnet_mm'), 'pose', (r'head\.(?!fc\.)',), **MMPOSE),
    Layout('other-head', (), 'other', ('',), backbone='backbone.'),
    Layout('backbone', ('timm', 'official', 'hrnet_mm'), '', ()),
    # The names of official-cls, so that it is not recognised but asked for.
    Layout('timm-ssld', (), 'cls', (r'incre_modules\.',), CLS_RULES),
)
# The names that --to takes, each with the task whose layout is meant where the family has none for
# the task of the weights.
FAMILIES = {
    'mmpose': 'pose',
    'mmdet': 'det',
    'mmseg': 'seg',
    'mmpretrain': 'cls',
    'timm': '',
    'official': '',
    'hrnet_mm': '',
}


def layout_for(name: str, task: str) -> Layout:
    """The layout that ``--to NAME`` means for weights of a task: a family's, or of that name.

    Raises:
        ValueError: there is no such family or layout.
    """
    if name not in FAMILIES:
        return layout_named(name)
    rows = {row.task: row for row in reversed(LAYOUTS) if name in row.families}
    return rows.get(task, rows[FAMILIES[name]])


def layout_named(name: str) -> Layout:
    """The layout of a name, such as ``'official-pose'``.

    Raises:
        ValueError: there is none.
    """
    for layout in LAYOUTS:
        if layout.name == name:
            return layout
    known = ', '.join(dict.fromkeys((*FAMILIES, *(layout.name for layout in LAYOUTS))))
    raise ValueError(f'{name!r} is no family or layout of weights; known are {known}')
