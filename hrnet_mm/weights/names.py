"""Renaming keys by the rules of a layout, in either direction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from hrnet_mm.weights.layouts import Layout

BACKBONE = 'backbone.'
COUNTER = 'num_batches_tracked'  # of a norm's batches, which old files do not have
_BACKBONE_PART = re.compile(r'((conv|bn|gn|ln|in)[12]|layer1|transition[123]|stage[234])\.')


def to_ours(key: str, layout: Layout) -> str | None:
    """Our name of a weight of ``layout``; None if it has none."""
    name = key.removeprefix(layout.backbone)
    if key.startswith(layout.backbone) and is_backbone(name):
        return BACKBONE + name
    return renamed(key, layout.rules) or (key if layout.host else None)


def to_theirs(key: str, layout: Layout) -> str | None:
    """The name in ``layout`` of a weight that is ours; None if it has no place there."""
    if key.startswith(BACKBONE):
        return layout.backbone + key.removeprefix(BACKBONE)
    rules = [(ours, theirs) for theirs, ours in layout.rules]
    return renamed(key, rules) or (key if layout.host else None)


def is_backbone(key: str) -> bool:
    """Whether a key, without what stands before the backbone, is a weight of an HRNet."""
    return _BACKBONE_PART.match(key) is not None


def renamed(key: str, rules: Iterable[tuple[str, str]]) -> str | None:
    """The key with its beginning replaced by the first rule that fits."""
    for old, new in rules:
        if found := _beginning(old).match(key):
            return new.format(**found.groupdict()) + key[found.end() :]
    return None


def begins_like(key: str, beginnings: Iterable[str]) -> bool:
    """Whether a key begins like one of the names, in which ``{n}`` stands for a number."""
    return any(_beginning(name).match(key) for name in beginnings)


@cache
def _beginning(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r'\{n\}', r'(?P<n>\d+)'))
