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
    head.{final,deconv}_layers.*                HigherHRNetHead, as the official one

Sources: the constructors in leoxiaobin/deep-high-resolution-net.pytorch and in HRNet/{HRNet-
Image-Classification, -Semantic-Segmentation, -Object-Detection, -Facial-Landmark-Detection,
HigherHRNet-Human-Pose-Estimation, DEKR}, timm 1.0, mmpose 0.x and 1.3, mmdet 1.x and 3.3,
mmseg 1.2, mmpretrain 1.2.
"""

from __future__ import annotations

from hrnet_mm.weights.rules import (
    AUX_HEAD,
    CLS_RULES,
    DEKR_RULES,
    FUSE_CONV,
    FUSE_NORM,
    HIGHER_RULES,
    OCR_HEAD,
    OCR_RULES,
    POSE_HEAD,
    ROI_RULES,
    SEG_HEAD,
    Layout,
)

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
        'official-higherhrnet',
        ('official',),
        'pose-higher',
        (r'final_layers\.0\.', r'deconv_layers\.0\.'),
        HIGHER_RULES,
    ),
    Layout(  # HigherHRNet's code without a deconvolution
        'official-ae',
        ('official',),
        'pose',
        (r'final_layers\.0\.',),
        (('final_layers.0.', POSE_HEAD),),
    ),
    Layout(
        'official-dekr',
        ('official',),
        'pose-dekr',
        (r'transition_heatmap\.', r'offset_feature_layers\.'),
        DEKR_RULES,
        layers_of_keypoints=True,
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
        'mmpose0-higherhrnet',
        ('mmpose0',),
        'pose-higher',
        (r'keypoint_head\.final_layers\.', r'keypoint_head\.deconv_layers\.'),
        (('keypoint_head.', 'head.'),),
        **MMPOSE,
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
    Layout(
        'hrnet_mm-higherhrnet', ('hrnet_mm',), 'pose-higher', (r'head\.final_layers\.',), **MMPOSE
    ),
    Layout(
        'mmpose-dekr',
        ('mmpose', 'hrnet_mm'),
        'pose-dekr',
        (r'head\.displacement_conv_layers\.',),
        **MMPOSE,
        version=2,
    ),
    Layout(
        'mmpose-cid',
        ('mmpose', 'hrnet_mm'),
        'pose-cid',
        (r'head\.iia_module\.',),
        **MMPOSE,
        version=2,
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
