"""The longer rules of the table of layouts: beginnings of keys, theirs and ours."""

from __future__ import annotations

Rules = tuple[tuple[str, str], ...]

FUSE_CONV, FUSE_NORM = 'neck.fuse_conv.conv.', 'neck.fuse_conv.bn.'
KEYPOINTS = 'head.final_layer.'
CLASSES = 'decode_head.conv_seg.'

CLS_RULES = (
    ('incre_modules.', 'neck.increase_layers.'),
    ('downsamp_modules.{n}.0.', 'neck.downsample_layers.{n}.conv.'),
    ('downsamp_modules.{n}.1.', 'neck.downsample_layers.{n}.bn.'),
    ('final_layer.0.', 'neck.final_layer.conv.'),
    ('final_layer.1.', 'neck.final_layer.bn.'),
    ('classifier.', 'head.fc.'),
)
AUX, OCR = 'decode_head.0.', 'decode_head.1.'
_THEIR_BLOCK, _OUR_BLOCK = 'ocr_distri_head.object_context_block.', f'{OCR}object_context_block.'
OCR_RULES = (
    ('aux_head.0.', f'{AUX}convs.0.conv.'),
    ('aux_head.1.', f'{AUX}convs.0.bn.'),
    ('aux_head.3.', f'{AUX}conv_seg.'),
    ('conv3x3_ocr.0.', f'{OCR}bottleneck.conv.'),
    ('conv3x3_ocr.1.', f'{OCR}bottleneck.bn.'),
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
    ('cls_head.', f'{OCR}conv_seg.'),
)
# mmdet 1.x and before had no roi_head around the heads of the second stage.
ROI_RULES = tuple((f'{head}_head.', f'roi_head.{head}_head.') for head in ('bbox', 'mask'))
RPN_RULE = ('rpn_head.', 'rpn_head.')
