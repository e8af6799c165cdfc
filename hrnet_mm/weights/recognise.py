"""Whose weights these are, by their keys alone, and which HRNet they are of, by their shapes.

A key is translated in two steps: from one project's name to ours, and from ours to another's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count

from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.models.archs import ARCHS, Arch, Stage
from hrnet_mm.weights.layouts import LAYOUTS, Layout

StateDict = Mapping[str, Tensor]
BACKBONE = 'backbone.'  # what stands before the backbone's names in our names
COUNTER = 'num_batches_tracked'  # of a norm's batches, which old files do not have
_BACKBONE_KEY = re.compile(r'((conv|bn|gn|ln|in)[12]|layer1|transition[123]|stage[234])\.')
# The one weight that every HRNet has and no other network does.
_IN_EVERY_HRNET = re.compile(r'^(.*?)stage2\.0\.branches\.0\.0\.conv1\.weight$')


@dataclass(frozen=True)
class Naming:
    """The layout of a state dict, and what a wrapper put before every key, ``'module.'``."""

    layout: Layout
    prefix: str = ''

    @property
    def backbone(self) -> str:
        """What stands before the backbone's own names, ``'module.backbone.'``."""
        return self.prefix + self.layout.backbone

    def in_backbone(self, key: str) -> bool:
        """Whether a key is a weight of the backbone."""
        return is_backbone(key, self.backbone)

    def inside(self, keys: Iterable[str]) -> dict[str, str]:
        """From the keys without the prefix to the keys as they are, of those that have it."""
        return {key.removeprefix(self.prefix): key for key in keys if key.startswith(self.prefix)}

    def to_ours(self, key: str) -> str | None:
        """Our name of a weight that is ``key`` here; None if it has none."""
        if self.in_backbone(key):
            return BACKBONE + key.removeprefix(self.backbone)
        if not key.startswith(self.prefix):
            return None
        return self._renamed(key.removeprefix(self.prefix), self.layout.rules)

    def to_theirs(self, name: str) -> str | None:
        """The key here of a weight that is ``name`` in our names; None if it has no place here."""
        if name.startswith(BACKBONE):
            return self.backbone + name.removeprefix(BACKBONE)
        key = self._renamed(name, tuple((ours, theirs) for theirs, ours in self.layout.rules))
        return None if key is None else self.prefix + key

    def _renamed(self, key: str, rules: Iterable[tuple[str, str]]) -> str | None:
        """The key with its beginning replaced by the first rule that fits."""
        for old, new in rules:
            if found := _beginning(old).match(key):
                return new.format(**found.groupdict()) + key[found.end() :]
        return key if self.layout.host else None


def is_backbone(key: str, prefix: str) -> bool:
    """Whether a key is a weight of an HRNet before whose names ``prefix`` stands."""
    return key.startswith(prefix) and _BACKBONE_KEY.match(key, len(prefix)) is not None


def begins_like(key: str, beginnings: Iterable[str]) -> bool:
    """Whether a key begins like one of the names, in which ``{n}`` stands for a number."""
    return any(_beginning(name).match(key) for name in beginnings)


@cache
def _beginning(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r'\{n\}', r'(?P<n>\d+)'))


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
    """The namings whose patterns match; ``before`` is what stands before the backbone's names."""
    others = [key for key in keys if not is_backbone(key, before)]
    for layout in LAYOUTS:
        if before.endswith(layout.backbone):
            naming = Naming(layout, before.removesuffix(layout.backbone))
            inside = naming.inside(others)
            if all(any(re.match(p, key) for key in inside) for p in layout.key_patterns):
                yield naming


def backbone_of(weights: StateDict, prefix: str) -> dict[str, Tensor]:
    """The backbone's weights by their own names, without the ``prefix`` before them."""
    return {
        k.removeprefix(prefix): weight for k, weight in weights.items() if is_backbone(k, prefix)
    }


def stages_of(backbone: StateDict, where: str = 'the state dict') -> tuple[Stage, ...]:
    """The stages that the weights of a backbone belong to.

    Args:
        backbone: its weights by their own names (``conv1.weight``, ``stage2.0.branches...``).
        where: what the weights are of, for the message.

    Raises:
        UserError: a weight that gives the size of a stage is missing, or a convolution is not of
            floating-point numbers, as those of a quantized network.
    """
    for name, weight in backbone.items():
        if weight.dim() == 4 and not weight.is_floating_point():
            kind = str(weight.dtype).removeprefix('torch.')
            raise UserError(
                f'{where}: {name} is of {kind}, where an HRNet has floating-point numbers'
            )
    try:
        first = _blocks(backbone, 'layer1')
        stages = [Stage(first[0], 1, (first[1],), (first[2],))]
        for index in (2, 3, 4):
            modules = _count_required(backbone, f'stage{index}.{{}}.branches.0.0.conv1.weight')
            number = _count_required(backbone, f'stage{index}.0.branches.{{}}.0.conv1.weight')
            branches = [_blocks(backbone, f'stage{index}.0.branches.{i}') for i in range(number)]
            kinds, blocks, channels = zip(*branches, strict=True)
            stages.append(Stage(kinds[0], modules, blocks, channels))
    except KeyError as error:
        raise UserError(f'{where} is no complete HRNet: {error} is missing') from error
    return tuple(stages)


def arch_name(stages: tuple[Stage, ...]) -> str:
    """``'w48'``, or of a network that has no name ``'network of 1 x 4 bottleneck blocks ...'``."""
    for name, arch in ARCHS.items():
        if arch.stages() == stages:
            return name
    width = stages[-1].channels[0]
    if Arch(width).stages() == stages:
        return f'w{width}'
    described = (
        f'{stage.num_modules} x {_joined(stage.num_blocks)} {stage.block.lower()} blocks of '
        f'{_joined(stage.channels)} channels'
        for stage in stages
    )
    return f'network of {"; ".join(described)}'


def count_numbered(weights: StateDict, name: str) -> int:
    """How many there are of the weights ``name.format(0)``, ``name.format(1)``, ..."""
    return next(i for i in count() if name.format(i) not in weights)


def _blocks(backbone: StateDict, chain: str) -> tuple[str, int, int]:
    """Kind, number and output channels of the residual blocks of ``'layer1'`` or a branch."""
    last = 'conv3' if f'{chain}.0.conv3.weight' in backbone else 'conv2'
    weight = backbone[f'{chain}.0.{last}.weight']
    number = count_numbered(backbone, f'{chain}.{{}}.{last}.weight')
    channels = weight.shape[0] if weight.dim() else 0
    return ('BOTTLENECK' if last == 'conv3' else 'BASIC'), number, channels


def _count_required(backbone: StateDict, name: str) -> int:
    if name.format(0) not in backbone:
        raise KeyError(name.format(0))
    return count_numbered(backbone, name)


def _joined(numbers: tuple[int, ...]) -> str:
    return ', '.join(map(str, numbers))
