"""What stands in for libraries of the hosts where they are absent or do not load.

:func:`put_in_place` is called by the programs of this package and by ``import hrnet_mm.compat``;
importing this package changes nothing. It imports no library either: a stand-in is looked for when
a host imports what it stands for.

* ``mmcv._ext``, mmcv's operators: :mod:`hrnet_mm.standins.operators`.
* ``xtcocotools``: :mod:`hrnet_mm.standins.coco_evaluation` and the masks of pycocotools.
* ``pkg_resources``, which setuptools 81 removed: :mod:`hrnet_mm.standins.distributions`.

What is there and takes long to import is served late by :mod:`hrnet_mm.standins.late`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType

from hrnet_mm.base.finders import find_installed

# The module that stands in for each; none for a package that only holds the others.
STAND_INS = {
    'mmcv._ext': 'hrnet_mm.standins.operators',
    'xtcocotools': None,
    'xtcocotools._mask': 'pycocotools._mask',
    'xtcocotools.mask': 'pycocotools.mask',
    'xtcocotools.coco': 'hrnet_mm.standins.coco_evaluation',
    'xtcocotools.cocoeval': 'hrnet_mm.standins.coco_evaluation',
    'pkg_resources': 'hrnet_mm.standins.distributions',
}
# The compiled ones, which may be installed and yet not load, as they were built for other versions.
COMPILED = ('mmcv._ext', 'xtcocotools._mask')
# What the user reads once when a stand-in serves whose results may differ in the last digits.
SENTENCES = {
    'mmcv._ext': 'mmcv has no compiled operators here: those of hrnet_mm in PyTorch stand in',
    'xtcocotools': 'xtcocotools is not installed: pycocotools and hrnet_mm stand in',
    'xtcocotools._mask': 'xtcocotools does not load: the masks of pycocotools stand in',
}


def put_in_place() -> None:
    """Let stand-ins serve from now on where a host imports what is absent or does not load."""
    if StandInFinder not in sys.meta_path:
        sys.meta_path.insert(0, StandInFinder)


def serving() -> list[str]:
    """The modules for which a stand-in serves in this process, e.g. ``['mmcv._ext']``."""
    found = {name: getattr(sys.modules.get(name), '__name__', name) for name in STAND_INS}
    return [name for name, real in found.items() if real != name]


class StandInFinder:
    """Finds what is installed as the other finders do, and a stand-in where they find nothing."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in STAND_INS:
            return None
        installed = find_installed(cls, name, path, target)
        if installed is not None and name not in COMPILED:
            return installed
        return ModuleSpec(name, StandInLoader(installed), is_package=STAND_INS[name] is None)


class StandInLoader(Loader):
    """Loads the installed module, and the stand-in if there is none or if it fails."""

    def __init__(self, installed: ModuleSpec | None) -> None:
        self.installed = installed

    def exec_module(self, module: ModuleType) -> None:
        # Python returns from an import what sys.modules holds after it.
        name, reason = module.__name__, ''
        if self.installed is not None:
            # One built for another torch raises ImportError, one for another numpy ValueError.
            try:
                sys.modules[name] = module_from_spec(self.installed)
                self.installed.loader.exec_module(sys.modules[name])
                return
            except Exception as error:
                reason = f' ({error})'
        if name in SENTENCES:
            from logging import getLogger  # not at the top, where every program would wait for it

            getLogger('hrnet_mm').warning(SENTENCES[name] + reason)
        sys.modules[name] = import_module(STAND_INS[name]) if STAND_INS[name] else module
