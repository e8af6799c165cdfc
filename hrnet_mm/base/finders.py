"""What finders of modules in ``sys.meta_path`` ask of the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType

Run = Callable[[ModuleType], None]


def find_installed(
    finder: type, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    """The spec of a module by the other finders; None where there is no such module."""
    for other in sys.meta_path:
        if other is not finder:
            with suppress(ModuleNotFoundError):  # some say so by an error, and not by None
                if (spec := other.find_spec(name, path, target)) is not None:
                    return spec
    return None


def run_by(spec: ModuleSpec | None, run: Callable[[Run, ModuleType], None]) -> ModuleSpec | None:
    """A spec whose module is run by ``run``, which gets the function that would have run it."""
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module = partial(run, spec.loader.exec_module)
    return spec
