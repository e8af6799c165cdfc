# HRNet-W18-C, ImageNet, 224x224. Official code: top-1 76.8 (HRNet/HRNet-Image-Classification).
_base_ = [
    'mmpretrain::_base_/models/hrnet/hrnet-w18.py',
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(type='hrnet_mm.HRNet', arch='w18'),
    neck=[
        dict(type='hrnet_mm.HRNetCls', in_channels=[18, 36, 72, 144]),
        dict(type='GlobalAveragePooling'),
    ],
)

# The rest of the paper's recipe is mmpretrain's imagenet_bs256, for 8 GPUs x 32 images.
optim_wrapper = dict(optimizer=dict(nesterov=True))
