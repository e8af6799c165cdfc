"""What mmengine asks of pkg_resources, which setuptools has no longer since its release 81.

mmengine looks up with it whether a package is installed, and where: for ``_base_ = 'mmpose::...'``.
A library that asks for more is answered as if there were no pkg_resources.
"""

from __future__ import annotations

from importlib import metadata
from importlib.metadata import PackageNotFoundError as DistributionNotFound
from typing import NoReturn

__all__ = ['DistributionNotFound', 'get_distribution']


def get_distribution(name: str) -> Distribution:
    """Raises :class:`DistributionNotFound` if no package of this name of pip is installed."""
    return Distribution(metadata.distribution(name))


class Distribution:
    """``location`` is the folder that holds the package, or that an editable one is named in."""

    def __init__(self, found: metadata.Distribution) -> None:
        self.found = found
        self.version = found.version
        self.location = str(found.locate_file(''))

    def has_metadata(self, file: str) -> bool:
        return self.found.read_text(file) is not None

    def get_metadata(self, file: str) -> str:
        text = self.found.read_text(file)
        if text is None:
            raise FileNotFoundError(f'{self.found.name} {self.version} has no {file}')
        return text


def fixup_namespace_packages(path: str) -> None:
    """Nothing is to do. pytest's ``monkeypatch.syspath_prepend`` calls it where this is loaded."""


def __getattr__(name: str) -> NoReturn:
    if name.startswith('_'):  # Python itself, which looks whether a module has it
        raise AttributeError(name)
    message = f"no pkg_resources.{name} here: it is setuptools' own, pip install 'setuptools<81'"
    raise ModuleNotFoundError(message, name='pkg_resources')
