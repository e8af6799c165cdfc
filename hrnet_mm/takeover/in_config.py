"""Takeover by a config, now and whenever the saved config is run again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from hrnet_mm.base.config import as_list
from hrnet_mm.base.errors import UserError
from hrnet_mm.takeover.switch import take

TAKEN = ('HRNet', 'HRFPN', 'HRFuseScales')  # of the hosts


def take_over(cfg: Config) -> None:
    """Put our HRNet in the hosts' place, now and whenever the saved config is run again.

    Raises:
        UserError: the model has nothing of a host that ours could replace.
    """
    take()
    if not any(is_taken(kind) for kind in types_in(cfg.get('model'))):
        raise UserError(
            f'--takeover: the model of the config has no {", ".join(TAKEN)} of a host; with '
            "hrnet_mm's own HRNet it is not needed"
        )
    imports = cfg.setdefault('custom_imports', ConfigDict(imports=[]))
    imports.imports = [*as_list(imports.imports), 'hrnet_mm.takeover']


def types_in(here: Any) -> Iterator[Any]:
    """The ``type`` of every dict in a part of a config."""
    if isinstance(here, dict):
        if 'type' in here:
            yield here['type']
        here = list(here.values())
    if isinstance(here, list | tuple):
        for item in here:
            yield from types_in(item)


def is_taken(kind: Any) -> bool:
    """Whether takeover changes what a ``type`` of a config, a name or a class, means."""
    if not isinstance(kind, str):
        return kind.__module__.startswith('hrnet_mm.takeover')  # as imported after the takeover
    return kind.rpartition('.')[2] in TAKEN and not kind.startswith('hrnet_mm.')
