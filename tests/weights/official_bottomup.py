"""HigherHRNet and DEKR by their official key names: state dicts, and what they compute.

Written from the papers (arXiv 1908.10357, 2104.02300) and the names, with functions of torch alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, takewhile

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.weights.official import (
    Weights,
    backbone,
    block,
    conv,
    conv_norm,
    norm,
    run_conv,
    run_norm_relu,
    stages_of,
)


def higher(arch: str | int, joints: int = 17) -> Weights:
    """Heatmaps and tags at 1/4, a transposed convolution and four blocks, heatmaps at 1/2."""
    width = stages_of(arch)[-1].channels[0]
    weights = backbone(arch, all_outputs=False)
    weights |= conv('final_layers.0', 2 * joints, width, 1, bias=True)
    deconv = torch.randn(width + 2 * joints, width, 4, 4) * (4 * width) ** -0.5
    weights |= {'deconv_layers.0.0.0.weight': deconv} | norm('deconv_layers.0.0.1', width)
    for i in range(1, 5):
        weights |= block(f'deconv_layers.0.{i}.0', 'BASIC', width, width)
    return weights | conv('final_layers.1', joints, width, 1, bias=True)


def half(weights: Weights) -> Weights:
    """As the official half-precision training saves them: ``1.`` stands before every key."""
    return {
        f'1.{key}': weight if 'bn' in key or weight.dim() < 4 else weight.half()
        for key, weight in weights.items()
    }


def embedding(arch: str | int, joints: int = 17) -> Weights:
    """Associative embedding: HigherHRNet's code without a deconvolution."""
    width = stages_of(arch)[-1].channels[0]
    weights = backbone(arch, all_outputs=False)
    return weights | conv('final_layers.0', 2 * joints, width, 1, bias=True)


def dekr(arch: str | int, joints: int = 17, of_each: int = 15) -> Weights:
    """Heatmaps of keypoints and the centre; for each keypoint two adaptive blocks and offsets."""
    channels = stages_of(arch)[-1].channels
    width, total = channels[0], sum(channels)
    weights = backbone(arch) | conv_norm('transition_heatmap', width, total, 1)
    weights |= block('head_heatmap.0.0', 'BASIC', width, width)
    weights |= conv('head_heatmap.1', joints + 1, width, 1, bias=True)
    weights |= conv_norm('transition_offset', joints * of_each, total, 1)
    for j in range(joints):
        for i in range(2):
            name = f'offset_feature_layers.{j}.{i}'
            weights[f'{name}.regular_matrix'] = regular_grid()
            weights |= conv(f'{name}.transform_matrix_conv', 4, of_each, 3, bias=True)
            weights |= conv(f'{name}.translation_conv', 2, of_each, 3, bias=True)
            weights |= conv(f'{name}.adapt_conv', of_each, of_each, 3) | norm(f'{name}.bn', of_each)
        weights |= conv(f'offset_final_layer.{j}', 2, of_each, 1, bias=True)
    return weights


def regular_grid() -> Tensor:
    """(2, 9): the rows, then the columns of a 3x3 kernel's taps from its middle."""
    steps = torch.arange(-1.0, 2.0)
    return torch.stack(torch.meshgrid(steps, steps, indexing='ij')).flatten(1)


def run_higher(weights: Weights, image: Tensor) -> tuple[Tensor, ...]:
    """Maps of 2K channels at 1/4 and of K at 1/2."""
    x = run_backbone(weights, image)[0]
    first = run_conv(weights, 'final_layers.0', x)
    deconv = weights['deconv_layers.0.0.0.weight']
    x = F.conv_transpose2d(torch.cat((x, first), 1), deconv, stride=2, padding=1)
    x = run_norm_relu(weights, 'deconv_layers.0.0.1', x)
    for i in range(1, 5):
        x = run_block(weights, f'deconv_layers.0.{i}.0', x)
    return first, run_conv(weights, 'final_layers.1', x)


def run_dekr(weights: Weights, image: Tensor) -> tuple[Tensor, Tensor]:
    """Heatmaps (N, K + 1, H / 4, W / 4) and offsets (N, 2K, H / 4, W / 4)."""
    maps = run_backbone(weights, image)
    resized = [F.interpolate(x, maps[0].shape[2:], mode='bilinear') for x in maps]
    x = torch.cat(resized, 1)
    heatmaps = run_block(
        weights, 'head_heatmap.0.0', conv_norm_relu(weights, 'transition_heatmap', x)
    )
    features = conv_norm_relu(weights, 'transition_offset', x)
    number = how_many(weights, 'offset_final_layer.{}.weight')
    offsets = []
    for j, of_keypoint in enumerate(features.chunk(number, 1)):
        for i in range(2):
            of_keypoint = run_adaptive(weights, f'offset_feature_layers.{j}.{i}', of_keypoint)
        offsets.append(run_conv(weights, f'offset_final_layer.{j}', of_keypoint))
    return run_conv(weights, 'head_heatmap.1', heatmaps), torch.cat(offsets, 1)


def run_adaptive(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A 3x3 convolution whose taps are at T r + t from each pixel, with T and t of that pixel."""
    images, _, height, width = x.shape
    matrix = run_conv(weights, f'{name}.transform_matrix_conv', x).unflatten(1, (2, 2))
    shift = run_conv(weights, f'{name}.translation_conv', x)
    middle = torch.stack(
        torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    ).to(x)
    kernel, total = weights[f'{name}.adapt_conv.weight'].flatten(2), 0
    for tap, r in enumerate(regular_grid().to(x).T):
        place = middle + torch.einsum('nabhw,b->nahw', matrix, r) + shift  # rows, columns
        rows, columns = (
            2 * p / (size - 1) - 1 for p, size in zip(place.unbind(1), x.shape[2:], strict=True)
        )
        taken = F.grid_sample(x, torch.stack((columns, rows), -1), align_corners=True)
        total = total + F.conv2d(taken, kernel[:, :, tap, None, None])
    return F.relu(run_norm(weights, f'{name}.bn', total) + x)


def run_backbone(weights: Weights, image: Tensor) -> list[Tensor]:
    """HRNet's maps, finest first (arXiv 1908.07919, section 3)."""
    x = image
    for i in (1, 2):
        x = run_norm(weights, f'bn{i}', strided(weights, f'conv{i}', x)).relu()
    streams = [run_chain(weights, 'layer1', x)]
    for stage in (2, 3, 4):
        streams = run_transition(weights, f'transition{stage - 1}', stage, streams)
        for m in range(how_many(weights, f'stage{stage}.{{}}.branches.0.0.conv1.weight')):
            name = f'stage{stage}.{m}'
            streams = [run_chain(weights, f'{name}.branches.{i}', x) for i, x in enumerate(streams)]
            streams = run_exchange(weights, f'{name}.fuse_layers', streams)
    return streams


def run_transition(weights: Weights, name: str, stage: int, streams: list[Tensor]) -> list[Tensor]:
    made = []
    for i in range(stage):
        x = streams[min(i, len(streams) - 1)]
        if f'{name}.{i}.0.weight' in weights:
            x = conv_norm_relu(weights, f'{name}.{i}', x)
        for j in range(how_many(weights, f'{name}.{i}.{{}}.0.weight')):
            x = run_norm(
                weights, f'{name}.{i}.{j}.1', strided(weights, f'{name}.{i}.{j}.0', x)
            ).relu()
        made.append(x)
    return made


def run_exchange(weights: Weights, name: str, streams: list[Tensor]) -> list[Tensor]:
    outputs = []
    for i in range(len(streams)):
        if not any(key.startswith(f'{name}.{i}.') for key in weights):
            break
        total = 0
        for j, x in enumerate(streams):
            one = f'{name}.{i}.{j}'
            if j > i:
                x = run_norm(weights, f'{one}.1', run_conv(weights, f'{one}.0', x))
                x = F.interpolate(x, scale_factor=2 ** (j - i), mode='nearest')
            for k in range(i - j):
                x = run_norm(weights, f'{one}.{k}.1', strided(weights, f'{one}.{k}.0', x))
                x = x if k == i - j - 1 else x.relu()
            total = total + x
        outputs.append(F.relu(total))
    return outputs


def run_chain(weights: Weights, name: str, x: Tensor) -> Tensor:
    for i in range(how_many(weights, f'{name}.{{}}.conv1.weight')):
        x = run_block(weights, f'{name}.{i}', x)
    return x


def run_block(weights: Weights, name: str, x: Tensor) -> Tensor:
    y, last = x, how_many(weights, f'{name}.conv{{}}.weight', start=1)
    for i in range(1, last + 1):
        y = run_norm(weights, f'{name}.bn{i}', run_conv(weights, f'{name}.conv{i}', y))
        y = y if i == last else y.relu()
    if f'{name}.downsample.0.weight' in weights:
        x = run_norm(weights, f'{name}.downsample.1', run_conv(weights, f'{name}.downsample.0', x))
    return F.relu(x + y)


def conv_norm_relu(weights: Weights, name: str, x: Tensor) -> Tensor:
    return run_norm_relu(weights, f'{name}.1', run_conv(weights, f'{name}.0', x))


def strided(weights: Weights, name: str, x: Tensor) -> Tensor:
    return F.conv2d(x, weights[f'{name}.weight'], stride=2, padding=1)


def run_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    names = ('running_mean', 'running_var', 'weight', 'bias')
    return F.batch_norm(x, *(weights[f'{name}.{part}'] for part in names))


def how_many(weights: Weights, name: str, start: int = 0) -> int:
    return len(list(takewhile(lambda i: name.format(i) in weights, count(start))))


FILES: dict[str, Callable[..., Weights]] = {
    'official-higherhrnet': higher,
    'official-ae': embedding,
    'official-dekr': dekr,
}
