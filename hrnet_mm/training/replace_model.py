"""Another model in the place of a Runner's: an engine's, or an exported file's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.training.model_parts import model_of


class ReplaceModelHook(Hook):
    """Puts another model into the place of the Runner's before it is tested.

    Hooks that keep a second copy of the weights, as EMAHook does, put the copy that is tested into
    the Runner's model when the test begins. The other model is made after that, and of a copy, so
    that its weights stay whatever such a hook does to the Runner's model.

    Args:
        replace: makes the other model of a copy of the Runner's in eval mode, and of its device.

    Raises:
        UserError: a hook is to test a second copy of the weights, which the other model has not.
    """

    priority = 'LOWEST'  # after what loads weights, or exchanges them

    def __init__(self, replace: Callable[[nn.Module, torch.device], nn.Module]) -> None:
        self.replace = replace

    def before_test_epoch(self, runner: Runner) -> None:
        """Replace the Runner's model, or what a wrapper for several processes wraps."""
        for hook in runner.hooks:
            both = ('evaluate_on_ema', 'evaluate_on_origin')  # of mmpretrain's EMAHook
            if all(getattr(hook, name, False) for name in both):
                raise UserError(
                    f'{type(hook).__name__}(evaluate_on_origin=True) tests two copies of the '
                    'weights, and --fast or an exported file has one: leave it out'
                )
        model = model_of(runner)
        device = next(model.parameters()).device
        other = self.replace(copy.deepcopy(model).eval(), device)
        if is_model_wrapper(runner.model):
            runner.model.module = other
        else:
            runner.model = other

    def after_test_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Log what computes the maps: an engine made at the first image is known by now."""
        if batch_idx == 0:
            backbone = model_of(runner).backbone
            runner.logger.info(f'maps by {getattr(backbone, "features", backbone)}')
