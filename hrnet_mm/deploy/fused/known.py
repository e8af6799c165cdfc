"""What is fused or translated must be known: another type, method or field is refused."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any

from torch import nn

# Methods that do not decide what a network in eval mode computes.
BESIDE = {'__init__', 'init_weights', 'train', '_freeze'}
OF_EVERY_MODULE = set(vars(nn.Module()))


def check_type(part: Any, *known: type) -> None:
    """Make sure that a part of a network is exactly of one of these types.

    Raises:
        NotImplementedError: it is not, but for instance of a subclass that computes something else.
    """
    if type(part) not in known:
        raise NotImplementedError(f'{type(part).__name__} is not known to hrnet_mm.deploy')


def computes_as(module: nn.Module | None, kind: type[nn.Module]) -> bool:
    """Whether it is of a kind and computes what that does: no method of it is overridden."""
    return isinstance(module, kind) and all(
        getattr(module, name, None) == method.__get__(module)
        for name, method in vars(kind).items()
        if isinstance(method, FunctionType) and name not in BESIDE
    )


def fields_of(operation: Any) -> dict[str, Any]:
    """What decides what an operation computes, by name: layers, tensors and settings."""
    if is_dataclass(operation):
        return {field.name: getattr(operation, field.name) for field in fields(operation)}
    settings = {k: v for k, v in vars(operation).items() if k not in OF_EVERY_MODULE}
    return settings | operation._modules | operation._parameters | operation._buffers
