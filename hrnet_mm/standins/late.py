"""What a host imports for a name that a prediction does not use is imported when it is used.

That saves half the time to the first pose. The module of a host that asks for the name gets a
:class:`Late` in its place. A class of mmengine that is late is in no registry, so this is for
``hrnet predict`` alone, which builds no optimizer, strategy or wrapper, and starts no workers.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name
from types import ModuleType, SimpleNamespace
from typing import Any

from hrnet_mm.base.finders import Run, find_installed, run_by

# By the module that asks: what for. 'from scipy.stats import truncnorm' is of the last.
LATE = {
    # Each of these three imports torch.distributed.tensor, tensors that are spread over machines.
    'mmengine.optim.optimizer': (
        'mmengine.optim.optimizer.zero_optimizer',
        'ZeroRedundancyOptimizer',
    ),
    'mmengine.model.wrappers': (
        'mmengine.model.wrappers.fully_sharded_distributed',
        'MMFullyShardedDataParallel',
    ),
    'mmengine._strategy': ('mmengine._strategy.fsdp', 'FSDPStrategy'),
    'mmdet.utils': ('mmdet.utils.mot_error_visualize', 'imshow_mot_errors'),  # by matplotlib
    'mmpose.visualization.local_visualizer_3d': ('matplotlib', 'pyplot'),
    'mmpose.datasets.datasets.body.mpii_dataset': ('scipy.io', 'loadmat'),
    'mmpose.datasets.transforms.bottomup_transforms': ('scipy.stats', 'truncnorm'),
    'mmpose.datasets.transforms.common_transforms': ('scipy.stats', 'truncnorm'),
}


def import_late() -> None:
    """Let the modules of LATE that are not imported yet get their names late."""
    if LateFinder not in sys.meta_path:
        sys.meta_path.insert(0, LateFinder)


class LateFinder:
    """Finds what is installed as the other finders do, for modules that ask for a late name."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in LATE:
            return None
        return run_by(find_installed(cls, name, path, target), _run_asking)


class Late:
    """A class, a function or a module, imported when it is first used.

    Args:
        module: that holds it, ``'scipy.stats'``.
        name: of it, ``'truncnorm'``.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def itself(self) -> Any:
        module = import_module(self._module)
        if not hasattr(module, self._name):  # it is a module itself, as matplotlib's pyplot
            return import_module(f'{self._module}.{self._name}')
        return getattr(module, self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.itself(), name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.itself()(*args, **options)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type]:
        return (self.itself(),)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.itself())

    def __subclasscheck__(self, other: type) -> bool:
        return issubclass(other, self.itself())

    def __reduce__(self) -> tuple[Any, ...]:
        return Late, (self._module, self._name)


def _run_asking(run: Run, module: ModuleType) -> None:
    """Run a module with an import statement of its own: Python takes it from ``__builtins__``."""
    late = Late(*LATE[module.__name__])
    module.__builtins__ = vars(builtins) | {'__import__': partial(_import, late)}
    run(module)
    module.__builtins__ = vars(builtins)


def _import(
    late: Late,
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    if fromlist and tuple(fromlist) == (late._name,):
        package = globals['__package__'] if level else None
        if resolve_name('.' * level + name, package) == late._module:
            return SimpleNamespace(**{late._name: late})
    return builtins.__import__(name, globals, locals, fromlist, level)
