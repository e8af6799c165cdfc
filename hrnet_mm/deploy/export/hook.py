"""An exported file in the place of a checkpoint, for a Runner."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from hrnet_mm.deploy.export.reading import Exported


class ExportHook(Hook):
    """Puts an exported file into the model before it is tested.

    Args:
        exported: the file.
    """

    priority = 'HIGHEST'

    def __init__(self, exported: Exported) -> None:
        self.exported = exported

    def before_test(self, runner: Runner) -> None:
        """Replace the Runner's model, or what a wrapper for several processes wraps."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        device = next(model.parameters()).device
        fast = self.exported.put_into(model.eval(), device)
        if is_model_wrapper(runner.model):
            runner.model.module = fast
        else:
            runner.model = fast
