# HRNetV2-W48 + FCN, Cityscapes, in mmseg's own form: the head concatenates the backbone's maps
# (`resize_concat`) and no neck does. The same mathematics as the config that this one changes, and
# the form that mmseg's published weights have.
_base_ = './fcn_hrnetv2_w48_cityscapes_512x1024.py'

model = dict(
    neck=None,
    decode_head=dict(
        in_channels=[48, 96, 192, 384],
        in_index=(0, 1, 2, 3),
        input_transform='resize_concat',
        num_convs=1,
    ),
)
