"""Checks of channels: what a backbone and its necks give is what the next part of a model takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check.findings import Finding, stop
from hrnet_mm.check.network import built

# Parts that read the maps: mmpose, mmpretrain; mmseg; mmdet.
READERS = ('head', 'decode_head', 'auxiliary_head', 'rpn_head', 'bbox_head')
SIDE = 256  # of the image that is run, in pixels; it has a pyramid of seven halvings


def check_channels(cfg: Config) -> Iterator[Finding]:
    """``in_channels`` of necks and heads are the channels of the maps that they are given.

    After another ``arch`` of the backbone they must be changed too, and a network with the old ones
    ends in PyTorch's words on convolutions.
    """
    if not cfg.get('model'):
        return
    model = Config(dict(model=cfg.model)).to_dict()['model']
    necks = model.get('neck')
    numbered = isinstance(necks, list | tuple)
    steps = [('model.backbone', model.get('backbone'))]
    for number, neck in enumerate(as_list(necks)):
        steps.append((f'model.neck[{number}]' if numbered else 'model.neck', neck))
    maps: Any = torch.zeros(1, in_channels_of(model), SIDE, SIDE, device='meta')
    given = ''
    for key, part in steps:
        if given:
            fault = list(check_part(key, part, channels_of(maps), given))
            if fault:
                yield from fault
                return
        maps = result_of(cfg, part, maps)
        if not channels_of(maps):  # another way of working, or the run says what is wrong
            return
        given = key
    for name in READERS:
        parts = model.get(name)
        for number, part in enumerate(as_list(parts)):
            key = f'model.{name}[{number}]' if isinstance(parts, list | tuple) else f'model.{name}'
            yield from check_part(key, part, channels_of(maps), given)


def in_channels_of(model: dict[str, Any]) -> int:
    return (model.get('backbone') or {}).get('in_channels') or 3


def result_of(cfg: Config, part: Any, maps: Any) -> Any:
    """What a part of a model makes of maps, on the meta device; None where it cannot."""
    network = built(cfg, part) if isinstance(part, dict) else None
    if network is None:
        return None
    try:
        with torch.device('meta'), torch.no_grad():
            return network(maps)
    except Exception:  # the run says why
        return None


def channels_of(maps: Any) -> list[int]:
    """Of maps (N, C, H, W) each C, finest first; empty where it is something else."""
    maps = maps if isinstance(maps, list | tuple) else [maps]
    are_maps = all(isinstance(x, Tensor) and x.ndim in (2, 4) for x in maps)
    return [x.shape[1] for x in maps] if are_maps else []


def check_part(key: str, part: Any, given: Sequence[int], giver: str) -> Iterator[Finding]:
    """The ``in_channels`` of one part, if it says how many it takes."""
    takes = part.get('in_channels') if isinstance(part, dict) else None
    if isinstance(takes, list | tuple):
        wanted = selected(given, part.get('in_index'))
        right = list(takes) == wanted
    elif isinstance(takes, int):
        level = part.get('in_index', -1)
        of_all = name_of(part).endswith(('RPNHead', 'RetinaHead', 'FCOSHead', 'ATSSHead'))
        wanted = given[level] if isinstance(level, int) and -len(given) <= level < len(given) else 0
        right = not wanted or (set(given) == {takes} if of_all else takes == wanted)
    else:
        return
    if not right:
        yield stop(
            f'{key}.in_channels is {takes}, but {giver} gives maps of {list(given)} channels: '
            f'write {key}.in_channels={wanted}'
        )


def selected(given: Sequence[int], index: Any) -> list[int]:
    """The channels of the levels that a head chooses by ``in_index``; of all without one."""
    if not isinstance(index, list | tuple) or not all(-len(given) <= i < len(given) for i in index):
        return list(given)
    return [given[i] for i in index]
