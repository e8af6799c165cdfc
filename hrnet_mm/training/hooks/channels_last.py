"""A faster layout of the maps in memory."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress, takewhile
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.optim import Optimizer

from hrnet_mm.registry import HOOKS
from hrnet_mm.training.model_parts import backbone_and_neck, model_of, optim_wrappers


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
        lay_out_moments(x.optimizer for x in optim_wrappers(runner))


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


def lay_out_moments(optimizers: Iterable[Optimizer]) -> None:
    """Give the moments of a resumed training the order in memory that the weights have by now.

    PyTorch's fused steps, as of ``Adam(fused=True)`` on a CPU, mix up numbers where the two differ.
    For the same reason checkpoints keep them in the order that weights have without this hook.
    """
    for optimizer in optimizers:
        _lay_out_state(optimizer)
        optimizer.register_load_state_dict_post_hook(_lay_out_state)
        optimizer.register_state_dict_post_hook(_contiguous_state)


def _lay_out_state(optimizer: Optimizer) -> None:
    for p, state in optimizer.state.items():
        if isinstance(p, Tensor) and isinstance(state, dict):
            state.update((name, lay_out_alike(p, value)) for name, value in state.items())


def lay_out_alike(p: Tensor, value: Any) -> Any:
    """What belongs to a weight, in the weight's order in memory; another shape stays as it is."""
    if not isinstance(value, Tensor) or value.shape != p.shape or p.dim() < 2:
        return value
    sizes = [size > 1 for size in p.shape]
    strides = (compress(x.stride(), sizes) for x in (p, value))
    return value if [*next(strides)] == [*next(strides)] else torch.empty_like(p).copy_(value)


def _contiguous_state(optimizer: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    def contiguous(values: Any) -> Any:
        if isinstance(values, dict):
            return {name: contiguous(value) for name, value in values.items()}
        return values.contiguous() if isinstance(values, Tensor) else values

    return state_dict | dict(state=contiguous(state_dict['state']))


def has_mmcv_operators(model: nn.Module) -> bool:
    return any(type(module).__module__.startswith('mmcv.ops.') for module in model.modules())


def contiguous_maps(
    module: nn.Module, inputs: Any, maps: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    return tuple(level.contiguous() for level in maps)
