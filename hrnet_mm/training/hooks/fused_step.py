"""Steps of PyTorch's own optimizers in one pass over the weights, on a CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from hrnet_mm.base.torch_versions import is_older_than
from hrnet_mm.training.hooks.channels_last import lay_out_alike, lay_out_moments

FUSING_TORCH = '2.4'  # has them for CPUs
FUSED = (Adam, AdamW, SGD)
CHOICES = ('fused', 'foreach')  # None, or the user's own
WITHOUT = ('differentiable', 'capturable')  # which fused steps are not


def fuse_steps(optimizers: Iterable[Optimizer]) -> list[Optimizer]:
    """Let optimizers update all weights in one pass in place of about ten: Adam's step of W32 takes
    39 ms instead of 107 on two cores.

    The option ``fused`` is set for a step, and is not in the optimizer's state dict, so that
    checkpoints have what the config says. What a fused step cannot do, as the first gradient of a
    single weight by SGD with momentum, is done by a plain one. Sums are rounded in another order,
    to 1e-7.

    Args:
        optimizers: those of weights on a CPU are changed, if they are Adam, AdamW or SGD.

    Returns:
        Those that are changed; by torch before 2.4 none.
    """
    if is_older_than(FUSING_TORCH):
        return []
    changed = [optimizer for optimizer in optimizers if _can_be_fused(optimizer)]
    lay_out_moments(changed)
    for optimizer in changed:
        optimizer.register_step_pre_hook(_begin)
        optimizer.register_step_post_hook(_end)
        optimizer.register_state_dict_post_hook(_forget)  # also where a step has failed
    return changed


def _can_be_fused(optimizer: Optimizer) -> bool:
    return type(optimizer) in FUSED and all(
        all(group.get(name) is None for name in CHOICES)
        and not any(group.get(name) for name in WITHOUT)
        and all(map(_is_plain, group['params']))
        for group in optimizer.param_groups
    )


def _begin(optimizer: Optimizer, args: tuple, kwargs: dict[str, Any]) -> None:
    has_closure = len(args) > 1 or any(x is not None for x in kwargs.values())
    for group in optimizer.param_groups:
        fits = not has_closure and _fits(group, optimizer)
        group['fused'] = True if fits else None


def _end(optimizer: Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        group['fused'] = None


def _forget(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    for group in state_dict['param_groups']:
        group['fused'] = None


def _fits(group: dict[str, Any], optimizer: Optimizer) -> bool:
    """Whether a fused step updates a group rightly.

    PyTorch's kernel goes through weights, gradients and moments from the first number in memory to
    the last, so their order is made the same: of moments where they come from.
    """
    learning = [p for p in group['params'] if p.grad is not None]
    if not all(_is_plain(p) and p.grad.layout is torch.strided for p in learning):
        return False
    for p in learning:
        p.grad = lay_out_alike(p, p.grad)
    begun = {optimizer.state.get(p, {}).get('momentum_buffer') is not None for p in learning}
    return len(begun) < 2  # SGD's knows no weights that begin later than others


def _is_plain(p: Tensor) -> bool:
    """Whether all memory from the first number of a weight to the last is the weight's."""
    is_dense = p.is_contiguous() or (
        p.dim() == 4 and p.is_contiguous(memory_format=torch.channels_last)
    )
    return is_dense and p.dtype == torch.float32 and p.device.type == 'cpu'
