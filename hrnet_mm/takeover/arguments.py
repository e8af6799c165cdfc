"""How the hosts' arguments are read, where they do not read them as ``hrnet_mm.models`` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BN = dict(type='BN')

InitCfg = dict[str, Any] | list[dict[str, Any]] | None


def keys_read(extra: Mapping[str, Any], *more: str) -> dict[str, Any]:
    """``extra`` without the keys that a host passes over: all but its stages and ``more``."""
    read = ('stage1', 'stage2', 'stage3', 'stage4', *more)
    return {key: value for key, value in extra.items() if key in read}


def outputs(multiscale_output: bool) -> tuple[int] | None:
    """The ``out_indices`` that the hosts' ``multiscale_output`` stands for."""
    return None if multiscale_output else (0,)


def as_given(init_cfg: InitCfg) -> InitCfg:
    """For hosts where ``init_cfg=None`` initialises nothing, instead of asking for the default."""
    return [] if init_cfg is None else init_cfg
