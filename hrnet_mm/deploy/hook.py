"""A faster model in the place of a Runner's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


class ReplaceModelHook(Hook):
    """Puts another model into the place of the Runner's before it is tested.

    Args:
        replace: gives it, for the Runner's model in eval mode and its device.
    """

    priority = 'LOWEST'  # after what loads weights

    def __init__(self, replace: Callable[[nn.Module, torch.device], nn.Module]) -> None:
        self.replace = replace

    def before_test(self, runner: Runner) -> None:
        """Replace the Runner's model, or what a wrapper for several processes wraps."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        device = next(model.parameters()).device
        fast = self.replace(model.eval(), device)
        if is_model_wrapper(runner.model):
            runner.model.module = fast
        else:
            runner.model = fast
