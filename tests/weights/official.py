"""The official repositories' state dicts: the names their constructors give, with random tensors.

Written from the constructors (PoseHighResolutionNet, HighResolutionNet of the classification,
segmentation and landmark repositories, HRNet and HRFPN of the detection one), layer by layer, and
not from this package's tables. Plus the heads' arithmetic on these names, where it is more than one
convolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hrnet_mm.models.archs import Stage, stages_from_arch, stages_from_extra
from tests.helpers import small_extra

Weights = dict[str, Tensor]


def stages_of(arch: str | int) -> tuple[Stage, ...]:
    """A published variant, or by its width a small network with every kind of layer."""
    return stages_from_arch(arch) if isinstance(arch, str) else stages_from_extra(small_extra(arch))


def conv(name: str, out: int, into: int, size: int, bias: bool = False) -> Weights:
    weights = {f'{name}.weight': torch.randn(out, into, size, size) * (into * size**2) ** -0.5}
    return weights | ({f'{name}.bias': torch.randn(out)} if bias else {})


def norm(name: str, channels: int) -> Weights:
    return {
        f'{name}.weight': torch.rand(channels) + 0.5,
        f'{name}.bias': torch.randn(channels) * 0.1,
        f'{name}.running_mean': torch.randn(channels) * 0.1,
        f'{name}.running_var': torch.rand(channels) + 0.5,
        f'{name}.num_batches_tracked': torch.tensor(7),
    }


def conv_norm(name: str, out: int, into: int, size: int, bias: bool = False) -> Weights:
    return conv(f'{name}.0', out, into, size, bias) | norm(f'{name}.1', out)


def block(name: str, kind: str, into: int, out: int) -> Weights:
    """BasicBlock or Bottleneck, with a downsample branch where the channels change."""
    if kind == 'BASIC':
        sizes = [(out, into, 3), (out, out, 3)]
    else:
        sizes = [(out // 4, into, 1), (out // 4, out // 4, 3), (out, out // 4, 1)]
    weights: Weights = {}
    for i, (channels, previous, size) in enumerate(sizes, start=1):
        weights |= conv(f'{name}.conv{i}', channels, previous, size)
        weights |= norm(f'{name}.bn{i}', channels)
    return weights | (conv_norm(f'{name}.downsample', out, into, 1) if into != out else {})


def backbone(arch: str | int, all_outputs: bool = True) -> Weights:
    """Stem, layer1, transitions and stages; without ``all_outputs`` the last module fuses one."""
    first, *stages = stages_of(arch)
    weights = conv('conv1', 64, 3, 3) | norm('bn1', 64) | conv('conv2', 64, 64, 3) | norm('bn2', 64)
    before = 64
    for i in range(first.num_blocks[0]):
        weights |= block(f'layer1.{i}', first.block, before, first.channels[0])
        before = first.channels[0]
    channels = first.channels
    for index, stage in enumerate(stages, start=1):
        weights |= transition(f'transition{index}', channels, stage.channels)
        for i in range(stage.num_modules):
            single = index == 3 and i == stage.num_modules - 1 and not all_outputs
            weights |= module(f'stage{index + 1}.{i}', stage, 1 if single else stage.num_branches)
        channels = stage.channels
    return weights


def transition(name: str, before: tuple[int, ...], after: tuple[int, ...]) -> Weights:
    weights: Weights = {}
    for i, out in enumerate(after):
        if i < len(before):
            if before[i] != out:
                weights |= conv_norm(f'{name}.{i}', out, before[i], 3)
        else:
            for j in range(i + 1 - len(before)):
                last = j == i - len(before)
                weights |= conv_norm(f'{name}.{i}.{j}', out if last else before[-1], before[-1], 3)
    return weights


def module(name: str, stage: Stage, outputs: int) -> Weights:
    weights: Weights = {}
    for i, channels in enumerate(stage.channels):
        for j in range(stage.num_blocks[i]):
            weights |= block(f'{name}.branches.{i}.{j}', stage.block, channels, channels)
    for i in range(outputs):
        for j in range(stage.num_branches):
            weights |= fuse(f'{name}.fuse_layers.{i}.{j}', stage.channels, i, j)
    return weights


def fuse(name: str, channels: tuple[int, ...], i: int, j: int) -> Weights:
    if j > i:
        return conv_norm(name, channels[i], channels[j], 1)
    weights: Weights = {}
    for k in range(i - j):
        last = k == i - j - 1
        weights |= conv_norm(f'{name}.{k}', channels[i] if last else channels[j], channels[j], 3)
    return weights


def pose(arch: str | int, joints: int = 17) -> Weights:
    width = stages_of(arch)[-1].channels[0]
    return backbone(arch, all_outputs=False) | conv('final_layer', joints, width, 1, bias=True)


def classification(arch: str | int, classes: int = 10) -> Weights:
    channels, wide = stages_of(arch)[-1].channels, (128, 256, 512, 1024)
    weights = backbone(arch)
    for i, (into, out) in enumerate(zip(channels, wide, strict=True)):
        weights |= block(f'incre_modules.{i}.0', 'BOTTLENECK', into, out)
    for i in range(3):
        weights |= conv_norm(f'downsamp_modules.{i}', wide[i + 1], wide[i], 3, bias=True)
    weights |= conv_norm('final_layer', 2048, 1024, 1, bias=True)
    classifier = {'classifier.weight': torch.randn(classes, 2048) * 0.02}
    return weights | classifier | {'classifier.bias': torch.randn(classes)}


def fused_head(name: str, channels: int, classes: int) -> Weights:
    """Sequential(conv 1x1, norm, ReLU, conv 1x1) of the segmentation and landmark repositories."""
    head = conv_norm(name, channels, channels, 1, bias=True)
    return head | conv(f'{name}.3', classes, channels, 1, bias=True)


def segmentation(arch: str | int, classes: int = 19) -> Weights:
    """As trained: FullModel puts ``model.`` before every key and adds the loss's weights."""
    weights = backbone(arch) | fused_head('last_layer', sum(stages_of(arch)[-1].channels), classes)
    weights = {f'model.{key}': weight for key, weight in weights.items()}
    return weights | {'loss.criterion.weight': torch.ones(classes)}


def landmarks(arch: str | int, points: int = 98) -> Weights:
    return backbone(arch) | fused_head('head', sum(stages_of(arch)[-1].channels), points)


def ocr(arch: str | int, classes: int = 19, middle: int = 32, key: int = 16) -> Weights:
    channels = sum(stages_of(arch)[-1].channels)
    attention = 'ocr_distri_head.object_context_block'

    def projected(name: str, out: int, into: int, at: int = 0) -> Weights:
        """A convolution, then BNReLU, which is a Sequential of its own."""
        return conv(f'{name}.{at}', out, into, 1) | norm(f'{name}.{at + 1}.0', out)

    weights = backbone(arch) | conv_norm('conv3x3_ocr', middle, channels, 3, bias=True)
    for name in ('f_pixel', 'f_object'):
        weights |= projected(f'{attention}.{name}', key, middle)
        weights |= projected(f'{attention}.{name}', key, key, at=2)
    weights |= projected(f'{attention}.f_down', key, middle)
    weights |= projected(f'{attention}.f_up', middle, key)
    weights |= projected('ocr_distri_head.conv_bn_dropout', middle, 2 * middle)
    weights |= conv('cls_head', classes, middle, 1, bias=True)
    return weights | fused_head('aux_head', channels, classes)


def detection(arch: str | int, classes: int = 4, width: int = 16, stages: int = 1) -> Weights:
    """Mask R-CNN or, of several stages, Cascade Mask R-CNN of mmdet 0.6, with a background."""
    weights = {f'backbone.{key}': weight for key, weight in backbone(arch).items()}
    weights |= conv('neck.reduction_conv.0', width, sum(stages_of(arch)[-1].channels), 1, bias=True)
    for i in range(5):
        weights |= conv(f'neck.fpn_conv.{i}', width, width, 3, bias=True)
    for name, out, size in (('rpn_conv', width, 3), ('rpn_cls', 3, 1), ('rpn_reg', 12, 1)):
        weights |= conv(f'rpn_head.{name}', out, width, size, bias=True)
    for head in [f'{i}.' for i in range(stages)] if stages > 1 else ['']:
        rows = dict(fc_cls=classes + 1, fc_reg=4 if stages > 1 else 4 * (classes + 1))
        for name, out in rows.items():
            weights[f'bbox_head.{head}{name}.weight'] = torch.randn(out, width)
            weights[f'bbox_head.{head}{name}.bias'] = torch.randn(out)
        weights |= conv(f'mask_head.{head}convs.0.conv', width, width, 3, bias=True)
        weights |= conv(f'mask_head.{head}conv_logits', classes + 1, width, 1, bias=True)
    return weights


def concatenated(maps: tuple[Tensor, ...]) -> Tensor:
    resized = (F.interpolate(x, maps[0].shape[2:], mode='bilinear') for x in maps)
    return torch.cat(tuple(resized), 1)


def run_conv(weights: Weights, name: str, x: Tensor) -> Tensor:
    weight = weights[f'{name}.weight']
    return F.conv2d(x, weight, weights.get(f'{name}.bias'), padding=weight.shape[-1] // 2)


def run_norm_relu(weights: Weights, name: str, x: Tensor) -> Tensor:
    names = ('running_mean', 'running_var', 'weight', 'bias')
    return F.batch_norm(x, *(weights[f'{name}.{part}'] for part in names)).relu()


def run_fused_head(weights: Weights, name: str, x: Tensor) -> Tensor:
    x = run_norm_relu(weights, f'{name}.1', run_conv(weights, f'{name}.0', x))
    return run_conv(weights, f'{name}.3', x)


def run_ocr(weights: Weights, maps: tuple[Tensor, ...]) -> Tensor:
    """Object-contextual representations (arXiv 1909.11065, section 3.2), on the official names."""

    def projected(name: str, x: Tensor, convs: int = 1) -> Tensor:
        name = f'ocr_distri_head.{name}'
        for i in range(0, 2 * convs, 2):
            x = run_norm_relu(weights, f'{name}.{i + 1}.0', run_conv(weights, f'{name}.{i}', x))
        return x

    block = 'object_context_block'
    concatenation = concatenated(maps)
    regions = run_fused_head(weights, 'aux_head', concatenation).flatten(2).softmax(2)
    pixels = run_conv(weights, 'conv3x3_ocr.0', concatenation)
    pixels = run_norm_relu(weights, 'conv3x3_ocr.1', pixels)
    objects = (pixels.flatten(2) @ regions.mT).unsqueeze(3)  # (N, C, classes, 1)
    query = projected(f'{block}.f_pixel', pixels, 2).flatten(2)
    keys = projected(f'{block}.f_object', objects, 2).flatten(2)
    values = projected(f'{block}.f_down', objects).flatten(2)
    relation = (query.mT @ keys * keys.shape[1] ** -0.5).softmax(-1)
    context = (values @ relation.mT).unflatten(2, pixels.shape[2:])
    context = projected(f'{block}.f_up', context)
    augmented = projected('conv_bn_dropout', torch.cat([context, pixels], 1))
    return run_conv(weights, 'cls_head', augmented)


# By layout, the weights that its repository saves.
FILES = {
    'official-pose': pose,
    'official-cls': classification,
    'official-seg': segmentation,
    'official-ocr': ocr,
    'official-face': landmarks,
    'official-det': detection,
}
