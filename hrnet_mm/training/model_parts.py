"""The parts of a Runner's model that hooks change."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def model_of(runner: Runner) -> nn.Module:
    """The host's model, without the wrapper that several processes put around it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def backbone_and_neck(model: nn.Module) -> list[nn.Module]:
    """The backbone of a host's model and, where it has one, its neck."""
    candidates = (getattr(model, name, None) for name in ('backbone', 'neck'))
    return [part for part in candidates if isinstance(part, nn.Module)]
