"""A faster layout of the maps in memory."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from hrnet_mm.registry import HOOKS
from hrnet_mm.training.model_parts import backbone_and_neck, model_of


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Trains with the channels of every map beside each other in memory: same numbers, faster.

    The weights decide: a convolution with channels-last weights gives a channels-last map, which
    norms, sums and upsampling keep.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.ChannelsLastHook')]
    """

    def before_train(self, runner: Runner) -> None:
        use_channels_last(model_of(runner))


def use_channels_last(model: nn.Module) -> None:
    """Change the layout of a host's model, or of its backbone and neck alone.

    mmcv's operators, RoIAlign and deformable convolution, read a map as if its rows were beside
    each other, whatever its layout is: RoIAlign gives wrong numbers without a word. In a model that
    has such operators, the last part without them gives contiguous maps.
    """
    if not has_mmcv_operators(model):
        model.to(memory_format=torch.channels_last)
        return
    parts = list(takewhile(lambda part: not has_mmcv_operators(part), backbone_and_neck(model)))
    for part in parts:
        part.to(memory_format=torch.channels_last)
    if parts:
        parts[-1].register_forward_hook(contiguous_maps)


def has_mmcv_operators(model: nn.Module) -> bool:
    return any(type(module).__module__.startswith('mmcv.ops.') for module in model.modules())


def contiguous_maps(
    module: nn.Module, inputs: Any, maps: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    return tuple(level.contiguous() for level in maps)
