"""Biases in front of a norm, which some projects have and others leave out.

A norm subtracts its running mean m, so that ``norm(W x + b)`` with mean m and ``norm(W x)`` with
mean ``m - b`` are the same function; in training, the mean of the batch takes b out by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hrnet_mm.checkpoints.names import begins_like

_MEAN = 'bn.running_mean'


def settle_biases(
    weights: Mapping[str, Tensor], biased: Sequence[str]
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """Give every convolution in front of a batch norm a bias, or none, as the target wants it.

    Args:
        weights: by our names, where such a pair is ``X.conv`` and ``X.bn`` (mmcv's ConvModule).
        biased: the beginnings of the names of the convolutions that have a bias in the target.

    Returns:
        The weights, the biases that were folded into running means, and those that were added.
    """
    settled, folded, added = dict(weights), [], []
    for mean in [name for name in weights if name.endswith(f'.{_MEAN}')]:
        conv = mean.removesuffix(_MEAN) + 'conv.'
        bias = f'{conv}bias'
        if f'{conv}weight' not in weights:
            continue
        wanted = begins_like(conv, biased)
        if bias in weights and not wanted and weights[bias].shape == weights[mean].shape:
            settled[mean] = weights[mean] - settled.pop(bias)
            folded.append(bias)
        elif wanted and bias not in weights:
            settled[bias] = torch.zeros_like(weights[mean])
            added.append(bias)
    return settled, folded, added
