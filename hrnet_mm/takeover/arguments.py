"""The arguments of the hosts' classes, and what they mean to ``hrnet_mm.models``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from torch import nn

BN = dict(type='BN')

Class = TypeVar('Class', bound=type[nn.Module])


def called_like(theirs: type[nn.Module]) -> Callable[[Class], Class]:
    """Give a class the signature of a host's class: names, order and defaults of its arguments.

    The decorated class's own ``__init__`` then gets every argument by name, and names those that
    mean something else to our network.

    Example:
        >>> @called_like(mmpose.models.backbones.hrnet.HRNet)
        ... class HRNet(models.HRNet): ...
    """
    signature = inspect.signature(theirs)

    def decorate(ours: Class) -> Class:
        init = ours.__init__

        @wraps(theirs.__init__)
        def init_like_theirs(self: nn.Module, *args: Any, **options: Any) -> None:
            try:
                given = signature.bind(*args, **options)
            except TypeError as error:
                raise TypeError(f'{ours.__name__}.__init__() {error}') from None
            given.apply_defaults()
            init(self, **given.arguments)

        ours.__init__ = init_like_theirs
        return ours

    return decorate


def keys_read(extra: Mapping[str, Any], *more: str) -> dict[str, Any]:
    """``extra`` without the keys that a host passes over: all but its stages and ``more``."""
    read = ('stage1', 'stage2', 'stage3', 'stage4', *more)
    return {key: value for key, value in extra.items() if key in read}


def outputs(multiscale_output: bool) -> tuple[int] | None:
    """The ``out_indices`` that the hosts' ``multiscale_output`` stands for."""
    return None if multiscale_output else (0,)


def as_given(init_cfg: Any) -> Any:
    """For hosts where ``init_cfg=None`` initialises nothing, instead of asking for the default."""
    return [] if init_cfg is None else init_cfg
