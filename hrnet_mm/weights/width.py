"""Which HRNet it is: its stages, by the shapes of its weights."""

from __future__ import annotations

from itertools import count

from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.models.archs import ARCHS, Arch, Stage
from hrnet_mm.weights.contents import Weights
from hrnet_mm.weights.names import is_backbone


def backbone_of(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The backbone's weights by their own names, of the keys that begin with ``prefix``."""
    return {
        name: weight
        for key, weight in weights.items()
        if key.startswith(prefix) and is_backbone(name := key.removeprefix(prefix))
    }


def stages_of(backbone: Weights, where: str = 'the state dict') -> tuple[Stage, ...]:
    """The stages that the weights of a backbone belong to.

    Args:
        backbone: its weights by their own names (``conv1.weight``, ``stage2.0.branches...``).
        where: what the weights are of, for the message.

    Raises:
        UserError: a weight that tells a stage's size is missing or has no shape, or a convolution
            is not of floating-point numbers, as those of a quantized network.
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
            modules = _number(backbone, f'stage{index}.{{}}.branches.0.0.conv1.weight')
            number = _number(backbone, f'stage{index}.0.branches.{{}}.0.conv1.weight')
            branches = [_blocks(backbone, f'stage{index}.0.branches.{i}') for i in range(number)]
            kinds, blocks, channels = zip(*branches, strict=True)
            stages.append(Stage(kinds[0], modules, blocks, channels))
    except KeyError as error:
        raise UserError(f'{where} is no complete HRNet: {error} is missing') from error
    return tuple(stages)


def name_of(stages: tuple[Stage, ...]) -> str:
    """``'w48'``, or the sizes of a network that has no name."""
    for name, arch in ARCHS.items():
        if arch.stages() == stages:
            return name
    width = stages[-1].channels[0]
    if Arch(width).stages() == stages:
        return f'w{width}'
    described = (
        f'{stage.num_modules} x {_list(stage.num_blocks)} {stage.block.lower()} blocks of '
        f'{_list(stage.channels)} channels'
        for stage in stages
    )
    return f'network of {"; ".join(described)}'


def number_of(weights: Weights, name: str) -> int:
    """How many of the weights ``name.format(0)``, ``name.format(1)``, ... there are."""
    return next(i for i in count() if name.format(i) not in weights)


def check_same_width(
    theirs: tuple[Stage, ...], ours: tuple[Stage, ...], where: str = 'the checkpoint'
) -> None:
    """Make sure that weights and model are the same network.

    Raises:
        UserError: naming both.
    """
    if theirs != ours:
        raise UserError(
            f'{where}: this is a {name_of(theirs)}, the config builds a {name_of(ours)}'
        )


def _blocks(backbone: Weights, chain: str) -> tuple[str, int, int]:
    """Kind, number and output channels of the residual blocks of a chain."""
    last = 'conv3' if f'{chain}.0.conv3.weight' in backbone else 'conv2'
    weight = backbone[f'{chain}.0.{last}.weight']
    number = _number(backbone, f'{chain}.{{}}.{last}.weight')
    channels = weight.shape[0] if weight.dim() else 0
    return ('BOTTLENECK' if last == 'conv3' else 'BASIC'), number, channels


def _number(backbone: Weights, name: str) -> int:
    if name.format(0) not in backbone:
        raise KeyError(name.format(0))
    return number_of(backbone, name)


def _list(numbers: tuple[int, ...]) -> str:
    return ', '.join(map(str, numbers))
