"""Which entry of a checkpoint holds the weights, and which of several networks is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError

Weights = Mapping[str, Tensor]  # a state dict
# The first that a checkpoint has is taken. timm's ``state_dict_ema`` comes before its weights, as
# timm itself prefers it; mmengine's ``ema_state_dict`` after them, because mmengine puts the
# averaged weights into ``state_dict`` when it saves.
ENTRIES = (
    'state_dict_ema',
    'state_dict',
    'model_state_dict',
    'model_state',
    'model_ema',
    'model',
    'net',
    'network',
    'weights',
    'params',
    'ema_state_dict',
    'ema',
)
COMPILED = '_orig_mod.'  # what torch.compile puts into the names of what is inside


def weights_of(checkpoint: Mapping[str, Any], where: str, entry: str | None = None) -> Weights:
    """The state dict in a checkpoint: the tensors in it, by key.

    Args:
        checkpoint: what a file holds: a state dict, or a dict with one beside other things.
        where: the file, for the messages.
        entry: the name of the entry. Default: the first of ``ENTRIES`` there is, or all of it.

    Raises:
        UserError: there are no weights there, or one is no dense tensor of real numbers, as a meta
            tensor, which has no numbers at all.
    """
    if entry is not None and entry not in checkpoint:
        raise UserError(f'{where} has no entry {entry!r}; it has {", ".join(map(str, checkpoint))}')
    if entry is None:
        entry = next((name for name in ENTRIES if _is_weights(checkpoint.get(name))), None)
    contents = checkpoint if entry is None else checkpoint[entry]
    if isinstance(contents, nn.Module):  # a whole model, which only a trusted file can hold
        contents = contents.state_dict()
    if not _is_weights(contents):
        raise UserError(f'{where} does not hold the weights of a model')
    for key, weight in contents.items():
        if _is_weight(key, weight) and (fault := fault_of(weight)):
            raise UserError(f'{where}: {key} is {fault}; weights are dense tensors of real numbers')
    if all(_is_weight(*item) and COMPILED not in item[0] for item in contents.items()):
        return contents
    weights = {key: value for key, value in contents.items() if _is_weight(key, value)}
    return {key.replace(COMPILED, ''): weight for key, weight in weights.items()}


def starting_with(weights: Weights, prefix: str | None) -> Weights:
    """The weights below a prefix of whole names, ``'teacher'`` or ``'teacher.'``, without it.

    Without a prefix, all of them.
    """
    if not prefix:
        return weights
    beginning = prefix.rstrip('.') + '.'
    return {
        key.removeprefix(beginning): weight
        for key, weight in weights.items()
        if key.startswith(beginning)
    }


def fault_of(weight: Tensor) -> str | None:
    """What is wrong with a tensor as a weight: its kind, not its numbers, which may be NaN."""
    if type(weight) not in (Tensor, nn.Parameter):
        return f'a tensor of the class {type(weight).__name__}'
    if weight.is_meta:
        return 'a meta tensor, which has no values'
    if weight.is_nested or weight.is_quantized or weight.layout is not torch.strided:
        kind = 'nested' if weight.is_nested else 'quantized' if weight.is_quantized else 'sparse'
        return f'a {kind} tensor'
    if weight.is_complex():
        return 'a complex tensor'
    last = sum((n - 1) * stride for n, stride in zip(weight.shape, weight.stride(), strict=True))
    needed = (weight.storage_offset() + last + 1) * weight.element_size() if weight.numel() else 0
    if weight.untyped_storage().nbytes() < needed:
        return 'a tensor whose storage is too small for its shape'
    return None


def _is_weights(contents: Any) -> bool:
    if isinstance(contents, nn.Module):
        return True
    return isinstance(contents, Mapping) and any(_is_weight(*item) for item in contents.items())


def _is_weight(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor)
