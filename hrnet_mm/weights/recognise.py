"""Whose weights these are, by their keys alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.layouts import LAYOUTS, Layout
from hrnet_mm.weights.names import is_backbone

# The one weight that every HRNet has and no other network does.
_IN_EVERY_HRNET = re.compile(r'^(.*?)stage2\.0\.branches\.0\.0\.conv1\.weight$')


@dataclass(frozen=True)
class Naming:
    """The layout of a state dict, and what a wrapper (DataParallel, ...) put before every key."""

    layout: Layout
    prefix: str = ''

    @property
    def backbone(self) -> str:
        """What stands before the backbone's own names."""
        return self.prefix + self.layout.backbone

    def in_backbone(self, key: str) -> bool:
        """Whether a key is a weight of the backbone."""
        return key.startswith(self.backbone) and is_backbone(key.removeprefix(self.backbone))

    def inside(self, keys: Iterable[str]) -> dict[str, str]:
        """From the keys without the prefix to the keys as they are, of those that have it."""
        return {key.removeprefix(self.prefix): key for key in keys if key.startswith(self.prefix)}


def recognise(
    keys: Collection[str], where: str = 'the state dict', layout: Layout | None = None
) -> Naming:
    """Find the HRNet among the keys of a state dict, and the layout its weights are in.

    Args:
        keys: of the state dict.
        where: what the keys are of, for the messages.
        layout: the one they are in, where two have the same keys. Default: the likeliest.

    Raises:
        UserError: there is no HRNet among them, or more than one, or it is in another layout.
    """
    found = networks_in(keys)
    if not found:
        first = ', '.join(list(keys)[:3]) or 'none'
        raise UserError(f'{where} holds no HRNet; its first keys are: {first}')
    if len(found) > 1:
        raise UserError(
            f'{where} holds {len(found)} HRNets, whose keys begin with '
            f'{", ".join(map(repr, found))}: choose one (prefix=..., --prefix)'
        )
    namings = {naming.layout: naming for naming in _namings(keys, found[0])}
    if layout is None:
        return next(iter(namings.values()))
    if layout not in namings:
        names = ', '.join(possible.name for possible in namings)
        raise UserError(f'the keys of {where} are not those of {layout.name}, but of {names}')
    return namings[layout]


def networks_in(keys: Iterable[str]) -> list[str]:
    """What stands before the backbone's names, of every HRNet in a state dict."""
    return [found[1] for found in map(_IN_EVERY_HRNET.match, keys) if found]


def _namings(keys: Collection[str], before: str) -> Iterator[Naming]:
    """The namings whose marks are among the keys; ``before`` stands before the backbone's names."""
    others = [
        key
        for key in keys
        if not (key.startswith(before) and is_backbone(key.removeprefix(before)))
    ]
    for layout in LAYOUTS:
        if before.endswith(layout.backbone):
            naming = Naming(layout, before.removesuffix(layout.backbone))
            inside = naming.inside(others)
            if all(any(re.match(mark, key) for key in inside) for mark in layout.marks):
                yield naming
