"""Checks that an optimizer means parameters that an HRNet model has; no weights are made."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.base.config import name_of
from hrnet_mm.check.classes import nearest
from hrnet_mm.check.findings import Finding, warn


def built(cfg: Config, part: Mapping[str, Any]) -> torch.nn.Module | None:
    """A part of a model without memory; None where the run will say why it cannot be built."""
    scope = part.get('_scope_') or cfg.get('default_scope')
    try:
        with DefaultScope.overwrite_default_scope(scope), torch.device('meta'):
            return revert_sync_batchnorm(MODELS.build(copy.deepcopy(part))).eval()
    except Exception:
        return None


def check_custom_keys(cfg: Config) -> Iterator[Finding]:
    """Learning rates of their own are for parameters that there are, of a model with an HRNet."""
    model = cfg.get('model') or {}
    if name_of(model.get('backbone')) != 'HRNet':
        return
    paramwise = (cfg.get('optim_wrapper') or {}).get('paramwise_cfg') or {}
    keys = paramwise.get('custom_keys')
    network = built(cfg, model) if keys else None
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
