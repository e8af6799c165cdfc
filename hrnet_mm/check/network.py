"""Checks that the parts of a model fit each other; they are built without memory or weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor

from hrnet_mm.base.config import name_of
from hrnet_mm.check.findings import Finding, keyed, nearest, stop, warn
from hrnet_mm.models import HRNet
from hrnet_mm.models.archs import stages_from_arch

# Parts that read the maps: mmpose, mmpretrain; mmseg; mmdet.
HEADS = ('head', 'decode_head', 'auxiliary_head', 'rpn_head', 'bbox_head')
SIDE = 256  # of the image that is run, in pixels; it has a pyramid of seven halvings


def check_config(cfg: Config) -> Iterator[Finding]:
    if cfg.get('model'):
        yield from check_arch(cfg.model.get('backbone'))
        yield from check_custom_keys(cfg)
        yield from check_channels(cfg)


def built(cfg: Config, part: Any) -> torch.nn.Module | None:
    """A part of a model without memory; None where the run will say why it cannot be built."""
    if not isinstance(part, Mapping):
        return None
    scope = part.get('_scope_') or cfg.get('default_scope')
    try:
        with DefaultScope.overwrite_default_scope(scope), torch.device('meta'):
            return revert_sync_batchnorm(MODELS.build(copy.deepcopy(part))).eval()
    except Exception:
        return None


def result_of(cfg: Config, part: Any, *inputs: Any, **options: Any) -> Any:
    """What a part of a model makes of maps on the meta device; None where it cannot."""
    network = built(cfg, part)
    if network is None:
        return None
    try:
        with torch.device('meta'), torch.no_grad():
            return network(*inputs, **options)
    except Exception:  # the run says why
        return None


def image_of(height: int, width: int, channels: int = 3) -> Tensor:
    """One image (1, C, H, W) without memory."""
    return torch.zeros(1, channels, height, width, device='meta')


def check_arch(backbone: Any) -> Iterator[Finding]:
    """The ``arch`` of our HRNet is one that there is."""
    ours = isinstance(backbone, Mapping) and backbone.get('type') in ('hrnet_mm.HRNet', HRNet)
    if ours and backbone.get('arch') is not None:
        try:
            stages_from_arch(backbone['arch'])
        except ValueError as error:
            yield stop(f'model.backbone: {error}')


def check_custom_keys(cfg: Config) -> Iterator[Finding]:
    """Each of ``custom_keys`` is in the name of a parameter; looked at for HRNet models only."""
    if name_of(cfg.model.get('backbone')) != 'HRNet':
        return
    paramwise = (cfg.get('optim_wrapper') or {}).get('paramwise_cfg') or {}
    keys = paramwise.get('custom_keys')
    network = built(cfg, cfg.model) if keys else None
    if network is None:
        return
    names = [name for name, _ in network.named_parameters()]
    names += [name for name, _ in network.named_modules()]
    for key in keys:
        if not any(key in name for name in names):
            parts = {part for name in names for part in name.split('.')}
            yield warn(
                f'optim_wrapper.paramwise_cfg.custom_keys has {key!r}, but no parameter of the '
                f'model has that in its name{nearest(key, sorted(parts))}'
            )


def check_channels(cfg: Config) -> Iterator[Finding]:
    """``in_channels`` of necks and heads are the channels of the maps that they are given.

    After another ``arch`` of the backbone they must be changed too, and a network with the old ones
    ends in PyTorch's words on convolutions.
    """
    model = Config(dict(model=cfg.model)).to_dict()['model']
    backbone = model.get('backbone') or {}
    maps = result_of(cfg, backbone, image_of(SIDE, SIDE, backbone.get('in_channels') or 3))
    giver = 'model.backbone'
    for key, neck in keyed('model.neck', model.get('neck')):
        faults = list(check_part(key, neck, channels_of(maps), giver))
        if faults:
            yield from faults
            return
        maps, giver = result_of(cfg, neck, maps), key
    for name in HEADS:
        for key, head in keyed(f'model.{name}', model.get(name)):
            yield from check_part(key, head, channels_of(maps), giver)


def channels_of(maps: Any) -> list[int]:
    """Of maps (N, C, H, W) each C, finest first; empty where it is something else."""
    maps = maps if isinstance(maps, list | tuple) else [maps]
    are_maps = all(isinstance(x, Tensor) and x.ndim in (2, 4) for x in maps)
    return [x.shape[1] for x in maps] if are_maps else []


def check_part(key: str, part: Any, given: Sequence[int], giver: str) -> Iterator[Finding]:
    """The ``in_channels`` of one part are right, if it says how many it takes.

    Args:
        key: of the part in the config, e.g. ``model.neck``.
        part: its config.
        given: the channels of each map that it is given; empty: they are not known.
        giver: the key of the part that makes these maps.
    """
    takes = part.get('in_channels') if isinstance(part, dict) else None
    if not given:  # the giver works in another way, or the run says what is wrong
        return
    if isinstance(takes, list | tuple):
        right = selected(given, part.get('in_index'))
        fits = list(takes) == right
    elif isinstance(takes, int):
        level = part.get('in_index', -1)
        of_all = name_of(part).endswith(('RPNHead', 'RetinaHead', 'FCOSHead', 'ATSSHead'))
        right = given[level] if isinstance(level, int) and -len(given) <= level < len(given) else 0
        fits = not right or (set(given) == {takes} if of_all else takes == right)
    else:
        return
    if not fits:
        yield stop(
            f'{key}.in_channels is {takes}, but {giver} gives maps of {list(given)} channels: '
            f'write {key}.in_channels={right}'
        )


def selected(given: Sequence[int], index: Any) -> list[int]:
    """The channels of the levels that a head chooses by ``in_index``; of all without one."""
    if not isinstance(index, list | tuple) or not all(-len(given) <= i < len(given) for i in index):
        return list(given)
    return [given[i] for i in index]
