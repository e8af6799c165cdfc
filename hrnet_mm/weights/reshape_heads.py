"""Weights of heads that two projects keep in different form, by our names.

**Biases** in front of a norm, which some have and others leave out. A norm subtracts its running
mean m, so that ``norm(W x + b)`` with mean m and ``norm(W x)`` with mean ``m - b`` are the same
function; in training, the mean of the batch takes b out by itself.

**The background** among a detector's classes: mmdet 1.x puts it first, mmdet 2 and 3 last. And
mmdet 1.x keeps rows for its box and its mask, which nothing uses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from hrnet_mm.weights.recognise import StateDict, begins_like

_MEAN = 'bn.running_mean'
_SCORES = re.compile(r'roi_head\.bbox_head\.(\d+\.)?fc_cls\.')
# Layers with rows of each class, and how many of one. A layer of no more rows has no classes.
_ROWS_OF_CLASS = (
    (re.compile(r'roi_head\.bbox_head\.(\d+\.)?fc_reg\.'), 4),
    (re.compile(r'roi_head\.mask_head\.(\d+\.)?conv_logits\.'), 1),
)


def match_biases(
    weights: StateDict, convs_with_bias: Sequence[str]
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """Give every convolution in front of a batch norm a bias, or none, as the target has it.

    Args:
        weights: by our names, where such a pair is ``X.conv`` and ``X.bn`` (mmcv's ConvModule).
        convs_with_bias: the beginnings of the names of the convolutions that have a bias in the
            target.

    Returns:
        The weights, the biases that were folded into running means, and those that were added.
    """
    matched, folded, added = dict(weights), [], []
    for mean in [name for name in weights if name.endswith(f'.{_MEAN}')]:
        conv = mean.removesuffix(_MEAN) + 'conv.'
        bias = f'{conv}bias'
        if f'{conv}weight' not in weights:
            continue
        needed = begins_like(conv, convs_with_bias)
        if bias in weights and not needed and weights[bias].shape == weights[mean].shape:
            matched[mean] = weights[mean] - matched.pop(bias)
            folded.append(bias)
        elif needed and bias not in weights:
            matched[bias] = torch.zeros_like(weights[mean])
            added.append(bias)
    return matched, folded, added


def move_background(weights: StateDict, first: bool) -> dict[str, Tensor]:
    """Weights by our names from one order of classes to the other.

    Args:
        weights: of a detector.
        first: to mmdet 1.x's order, where the rows that nothing uses are zero; else to today's.
    """
    ordered = dict(weights)
    for name, weight in weights.items():
        if _SCORES.match(name) and weight.dim():
            ordered[name] = weight.roll(1 if first else -1, 0)
        elif rows := _rows_of_background(name, weight):
            unused = torch.zeros_like(weight[:rows])
            ordered[name] = torch.cat((unused, weight)) if first else weight[rows:]
    return ordered


def _rows_of_background(name: str, weight: Tensor) -> int:
    for pattern, rows in _ROWS_OF_CLASS:
        if pattern.match(name) and weight.dim() and len(weight) > rows:
            return rows
    return 0
