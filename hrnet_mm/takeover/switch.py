"""Taking the place of the hosts' own HRNet, and giving it back."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from mmengine.logging import print_log
from torch import nn

import hrnet_mm.fixes  # noqa: F401  (the fixes run before a host is imported)

HOSTS = ('mmpose', 'mmdet', 'mmseg', 'mmpretrain')

_GIVE_BACK: dict[str, ExitStack] = {}  # for each host taken, what undoes it


def take(*hosts: str) -> None:
    """Let the hosts' ``type='HRNet'`` (and ``HRFPN``, ``HRFuseScales``) mean ours from now on.

    Models that exist already stay what they are. Taking a host twice is the same as once.

    Args:
        hosts: ``'mmpose'``, ``'mmdet'``, ``'mmseg'``, ``'mmpretrain'``. Default: every installed
            one; a host that is missing or broken is skipped, and the log says so.

    Raises:
        ImportError: a named host, or every host, cannot be imported.
        ValueError: a name is not that of a host.

    Example:
        >>> from hrnet_mm.takeover.switch import take, undo
        >>> take('mmpose')
        >>> undo('mmpose')
    """
    check_names(hosts)
    if not hosts:
        take_installed()
    for host in hosts:
        put_in_place(host, *import_module(f'{__package__}.for_{host}').STAND_INS)


def undo(*hosts: str) -> None:
    """Give the places back: the hosts' classes are again exactly what they were.

    Args:
        hosts: Default: every host that was taken. Those that were not are left alone.
    """
    check_names(hosts)
    for host in hosts or tuple(_GIVE_BACK):
        if host in _GIVE_BACK:
            _GIVE_BACK.pop(host).close()


@contextmanager
def taken(*hosts: str) -> Iterator[None]:
    """:func:`take` for the duration of a with-block; what was taken before it stays taken."""
    before = set(_GIVE_BACK)
    take(*hosts)
    try:
        yield
    finally:
        for host in set(_GIVE_BACK) - before:
            undo(host)


def put_in_place(host: str, *stand_ins: type[nn.Module]) -> None:
    """Register each stand-in under its own name in the host, and export it where the host does."""
    if host in _GIVE_BACK:
        return
    registry = import_module(f'{host}.registry').MODELS
    registry.import_from_location()  # so that the host does not register its own after ours
    with ExitStack() as give_back:
        for stand_in in stand_ins:
            name = stand_in.__name__
            original = registry.module_dict[name]
            register = partial(registry.register_module, name, force=True)
            register(module=stand_in)
            give_back.callback(register, module=original)
            for package in packages_exporting(original):
                setattr(package, name, stand_in)
                give_back.callback(setattr, package, name, original)
        _GIVE_BACK[host] = give_back.pop_all()


def packages_exporting(cls: type) -> list[ModuleType]:
    """The packages around a class's module that offer it too, as ``mmpose.models`` does HRNet.

    Configs with ``from mmpose.models import HRNet`` read it there. The module itself is left
    alone: the host's code calls ``super(HRNet, self)``, which must stay its own HRNet.
    """
    parts = cls.__module__.split('.')
    packages = (sys.modules['.'.join(parts[:i])] for i in range(1, len(parts)))
    return [package for package in packages if vars(package).get(cls.__name__) is cls]


def take_installed() -> None:
    skipped = {}
    for host in HOSTS:
        if find_spec(host) is None:
            skipped[host] = 'not installed'
            continue
        try:
            take(host)
        except Exception as error:  # a broken host may raise anything; the others still work
            skipped[host] = f'{type(error).__name__}: {error}'
    reasons = '; '.join(f'{host} skipped ({reason})' for host, reason in skipped.items())
    if not _GIVE_BACK:
        raise ImportError(f'hrnet_mm.takeover finds no host: {reasons}')
    message = f'hrnet_mm stands in for the HRNet of {", ".join(_GIVE_BACK)}'
    print_log(f'{message}; {reasons}' if skipped else message, 'current', logging.INFO)


def check_names(hosts: tuple[str, ...]) -> None:
    for host in hosts:
        if host not in HOSTS:
            raise ValueError(f'{host!r} is no host of HRNet: give one of {", ".join(HOSTS)}')
