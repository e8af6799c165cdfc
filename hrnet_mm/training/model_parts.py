"""The parts of a Runner that hooks look at and change."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import nn


def model_of(runner: Runner) -> nn.Module:
    """The host's model, without the wrapper that several processes put around it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def backbone_and_neck(model: nn.Module) -> list[nn.Module]:
    """The backbone of a host's model and, where it has one, its neck."""
    candidates = (getattr(model, name, None) for name in ('backbone', 'neck'))
    return [part for part in candidates if isinstance(part, nn.Module)]


def optim_wrappers(runner: Runner) -> list[OptimWrapper]:
    """One, or those of the parts of a model that learn by different optimizers."""
    optim = runner.optim_wrapper
    return list(optim.values()) if isinstance(optim, OptimWrapperDict) else [optim]
