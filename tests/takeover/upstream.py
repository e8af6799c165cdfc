"""The HRNet configs inside the installed hosts, and building their models with either HRNet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from torch import nn

from hrnet_mm.takeover.switch import HOSTS, taken
from tests.helpers import randomize, small_extra


def config_folder(host: str) -> Path:
    return Path(find_spec(host).origin).parent / '.mim' / 'configs'


def hrnet_configs() -> Iterator[tuple[str, str]]:
    """Host and path of every config whose own text, or that of one it inherits, names HRNet."""
    for host in HOSTS:
        folder = config_folder(host)
        for path in sorted(folder.rglob('*.py')):
            name = path.relative_to(folder)
            if '_base_' not in name.parts and names_hrnet(path.resolve()):
                yield host, str(name)


@cache
def names_hrnet(path: Path) -> bool:
    text = path.read_text()
    if re.search(r"""\btype=(['"])HRNet\1""", text):
        return True
    inherited = (path.parent / name for name in re.findall(r"""['"]([^'"\n]+\.py)['"]""", text))
    return any(names_hrnet(base.resolve()) for base in inherited if base.is_file())


@cache
def model_config(host: str, name: str) -> dict[str, Any]:
    return Config.fromfile(config_folder(host) / name).model


def registry_of(host: str) -> Registry:
    """The host's models, its own HRNet among them."""
    registry = import_module(f'{host}.registry').MODELS
    registry.import_from_location()
    return registry


def build(host: str, cfg: dict[str, Any], take: bool = False) -> nn.Module:
    """A model or a part of one by the host's registry, with its own HRNet or with ours."""
    with (
        taken(host) if take else nullcontext(),
        DefaultScope.overwrite_default_scope(host),
    ):
        return registry_of(host).build(deepcopy(cfg))  # mmseg writes into it


def is_ours(cls: type[nn.Module]) -> bool:
    return cls.__module__.startswith('hrnet_mm.takeover.')


def theirs_and_ours(host: str, name: str) -> tuple[type[nn.Module], type[nn.Module]]:
    theirs = registry_of(host).get(name)
    with taken(host):
        ours = registry_of(host).get(name)
    assert theirs is not ours
    return theirs, ours


def pair(host: str, name: str = 'HRNet', *args: Any, **options: Any) -> tuple[nn.Module, nn.Module]:
    """The host's module and ours, built alike and with the same weights."""
    if name == 'HRNet':
        options = dict(extra=all_maps_of(host)) | options
    theirs, ours = (cls(*args, **options) for cls in theirs_and_ours(host, name))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(randomize(theirs).state_dict(), strict=True)
    return theirs, ours


def all_maps_of(host: str) -> dict[str, Any]:
    extra = small_extra()
    if host == 'mmpose':
        extra['stage4']['multiscale_output'] = True
    return extra
