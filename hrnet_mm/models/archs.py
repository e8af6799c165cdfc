"""Width and depth of every published HRNet: one table, one formula.

Branch i of a network of width C has ``C * 2**i`` channels at ``1 / 2**(i + 2)`` of the image's
resolution; stage s has s branches. Sources: arXiv 1908.07919, section 3 and appendix (bottleneck
variants), and the official repositories' ``w18_small`` variants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXPANSION = {'BASIC': 1, 'BOTTLENECK': 4}


@dataclass(frozen=True)
class Stage:
    """``num_modules`` HRModules of parallel branches; the tuples hold one number per branch."""

    block: str
    num_modules: int
    num_blocks: tuple[int, ...]
    channels: tuple[int, ...]

    @property
    def num_branches(self) -> int:
        return len(self.channels)


@dataclass(frozen=True)
class Arch:
    """One row of the table; the defaults are the paper's network."""

    width: int
    block: str = 'BASIC'
    num_modules: tuple[int, int, int] = (1, 4, 3)
    num_blocks: int = 4
    stage1_blocks: int = 4
    stage1_channels: int = 256

    def stages(self) -> tuple[Stage, ...]:
        first = Stage('BOTTLENECK', 1, (self.stage1_blocks,), (self.stage1_channels,))
        later = (
            Stage(
                self.block,
                num_modules,
                (self.num_blocks,) * num_branches,
                tuple(self.width * 2**i for i in range(num_branches)),
            )
            for num_branches, num_modules in enumerate(self.num_modules, start=2)
        )
        return (first, *later)


ARCHS = {
    # The official w18_small is 16 channels wide, whatever its name says.
    'w18_small': Arch(
        16, num_modules=(1, 1, 1), num_blocks=2, stage1_blocks=1, stage1_channels=128
    ),
    'w18_small_v2': Arch(18, num_modules=(1, 3, 2), num_blocks=2, stage1_blocks=2),
    **{f'w{width}': Arch(width) for width in (18, 30, 32, 40, 44, 48, 60, 64)},
    **{f'w{width}_bottleneck': Arch(width, block='BOTTLENECK') for width in (44, 76, 96)},
}


def stages_from_arch(arch: str | int) -> tuple[Stage, ...]:
    """Stages of a named variant, or of the paper's network at any width (``arch=24``).

    Raises:
        ValueError: if the name is unknown or the width is not a positive integer.
    """
    if isinstance(arch, int) and not isinstance(arch, bool) and arch > 0:
        return Arch(arch).stages()
    if isinstance(arch, str) and arch in ARCHS:
        return ARCHS[arch].stages()
    raise ValueError(
        f'arch={arch!r} is not an HRNet: give one of {", ".join(ARCHS)}, '
        'or the width of the first branch as a positive integer (arch=24)'
    )


STAGE_KEYS = ('num_modules', 'num_branches', 'block', 'num_blocks', 'num_channels')
OTHER_STAGE_KEYS = ('multiscale_output', 'fuse_method')  # hosts' own, with no effect on the layers


def stages_from_extra(extra: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Stages of the hosts' ``extra=dict(stage1=dict(...), ..., stage4=dict(...))``.

    Raises:
        TypeError, ValueError: naming the key, its value and what would be right.
    """
    if not isinstance(extra, Mapping):
        raise TypeError(f'extra must be a dict of stage1..stage4, got {type(extra).__name__}')
    names = ('stage1', 'stage2', 'stage3', 'stage4')
    unknown = set(extra) - {*names, 'upsample'}
    if unknown:
        raise ValueError(
            f'extra has unknown keys {sorted(unknown)}; it takes {", ".join(names)} and upsample'
        )
    for name in names:
        if name not in extra:
            raise ValueError(f"extra lacks '{name}'; it must hold {', '.join(names)}")
    stages = tuple(parse_stage(f"extra['{name}']", extra[name]) for name in names)
    check_branches(stages)
    return stages


def extra_of(stages: tuple[Stage, ...]) -> dict[str, Any]:
    """The hosts' ``extra`` of stages: the inverse of :func:`stages_from_extra`."""
    return {
        f'stage{i}': dict(
            num_modules=stage.num_modules,
            num_branches=stage.num_branches,
            block=stage.block,
            num_blocks=stage.num_blocks,
            num_channels=tuple(n // EXPANSION[stage.block] for n in stage.channels),
        )
        for i, stage in enumerate(stages, start=1)
    }


def parse_stage(where: str, cfg: Mapping[str, Any]) -> Stage:
    if not isinstance(cfg, Mapping):
        raise TypeError(f'{where} must be a dict, got {cfg!r}')
    for key in STAGE_KEYS:
        if key not in cfg:
            raise ValueError(f"{where} lacks '{key}'; it must hold {', '.join(STAGE_KEYS)}")
    unknown = set(cfg) - {*STAGE_KEYS, *OTHER_STAGE_KEYS}
    if unknown:
        raise ValueError(
            f'{where} has unknown keys {sorted(unknown)}; it takes {", ".join(STAGE_KEYS)}'
        )
    if cfg['block'] not in EXPANSION:
        raise ValueError(
            f"{where}['block'] is {cfg['block']!r}; it must be one of {', '.join(EXPANSION)}"
        )
    for key in ('num_modules', 'num_branches'):
        if not is_positive_int(cfg[key]):
            raise ValueError(f"{where}['{key}'] is {cfg[key]!r}; it must be a positive integer")
    expansion = EXPANSION[cfg['block']]
    return Stage(
        block=cfg['block'],
        num_modules=cfg['num_modules'],
        num_blocks=per_branch(where, cfg, 'num_blocks'),
        channels=tuple(n * expansion for n in per_branch(where, cfg, 'num_channels')),
    )


def per_branch(where: str, cfg: Mapping[str, Any], key: str) -> tuple[int, ...]:
    numbers, num_branches = cfg[key], cfg['num_branches']
    if not isinstance(numbers, list | tuple) or len(numbers) != num_branches:
        raise ValueError(
            f"{where}['{key}'] is {numbers!r}; it must hold one number for each of the "
            f'{num_branches} branches (num_branches)'
        )
    if not all(is_positive_int(number) for number in numbers):
        raise ValueError(f"{where}['{key}'] is {numbers!r}; it must hold positive integers")
    return tuple(numbers)


def check_branches(stages: tuple[Stage, ...]) -> None:
    counts = [stage.num_branches for stage in stages]
    if counts[0] != 1 or counts != sorted(counts):
        raise ValueError(
            f'extra has num_branches {counts} in stage1..stage4; stage1 must have 1 branch and '
            'no stage fewer than the one before it (the paper: 1, 2, 3, 4)'
        )


def is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
