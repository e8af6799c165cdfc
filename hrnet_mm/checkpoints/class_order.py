"""The order of a detector's classes: mmdet 1.x puts the background first, mmdet 2 and 3 last.

mmdet 1.x also keeps rows for the box and the mask of the background, which nothing uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_SCORES = re.compile(r'roi_head\.bbox_head\.(\d+\.)?fc_cls\.')
# With the rows of one class. A layer that has no more than these does not tell classes apart.
_OTHERS = (
    (re.compile(r'roi_head\.bbox_head\.(\d+\.)?fc_reg\.'), 4),
    (re.compile(r'roi_head\.mask_head\.(\d+\.)?conv_logits\.'), 1),
)


def background_last(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From mmdet 1.x's order to today's, of weights by our names."""
    ordered = dict(weights)
    for name, weight in weights.items():
        if _SCORES.match(name) and weight.dim():
            ordered[name] = weight.roll(-1, 0)
        elif rows := _rows_of_background(name, weight):
            ordered[name] = weight[rows:]
    return ordered


def background_first(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From today's order to mmdet 1.x's; what nothing uses is zero."""
    ordered = dict(weights)
    for name, weight in weights.items():
        if _SCORES.match(name) and weight.dim():
            ordered[name] = weight.roll(1, 0)
        elif rows := _rows_of_background(name, weight):
            ordered[name] = torch.cat((torch.zeros_like(weight[:rows]), weight))
    return ordered


def _rows_of_background(name: str, weight: Tensor) -> int:
    for pattern, rows in _OTHERS:
        if pattern.match(name) and weight.dim() and len(weight) > rows:
            return rows
    return 0
