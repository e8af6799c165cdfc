"""Inherit from configs of the installed hrnet_mm, in both styles, and compare with the configs.

Run as a program, which starts as a host's tool does: without importing hrnet_mm. Its arguments:
the folder where hrnet_mm must be, and glob patterns of configs. Prints how many there were.
"""

import functools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, config, utils
from mmengine.registry import MODELS, DefaultScope

TEXT_STYLE = "_base_ = 'hrnet_mm::{path}'\n"
PYTHON_STYLE = """
from mmengine.config import read_base
with read_base():
    from hrnet_mm.configs.{module} import *
"""


def main() -> None:
    assert 'hrnet_mm' not in sys.modules
    read_metafiles_once()
    folder, *patterns = sys.argv[1:]
    configs = Path(Config._get_cfg_path('hrnet_mm::pose', '')[0]).parent
    assert configs.is_relative_to(folder), configs
    paths = sorted({path for pattern in patterns for path in configs.glob(pattern)})
    for path in paths:
        check(path, path.relative_to(configs))
    for folder in {path.parent for path in paths}:
        build(next(path for path in paths if path.parent == folder).relative_to(configs))
    print(len(paths))


def read_metafiles_once() -> None:
    """MMEngine parses all metafiles of a host again for every config; that is most of the time."""
    utils.load = functools.cache(utils.load)
    config.is_installed = functools.cache(config.is_installed)


def check(path: Path, name: Path) -> None:
    direct = Config.fromfile(path).to_dict()
    for template in (TEXT_STYLE, PYTHON_STYLE):
        inherited = inherit(template, name).to_dict()
        assert 'hrnet_mm' not in set(scopes(inherited)), name
        assert inherited == direct, name


def inherit(template: str, name: Path) -> Config:
    module = '.'.join(name.with_suffix('').parts)
    with tempfile.TemporaryDirectory() as folder:
        downstream = Path(folder, 'downstream.py')
        downstream.write_text(template.format(path=name.as_posix(), module=module))
        return Config.fromfile(downstream)


def scopes(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield value.get('_scope_')
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from scopes(part)


def build(name: Path) -> None:
    # Before any host, and after the configs were read:
    import hrnet_mm.compat  # noqa: F401

    cfg = inherit(TEXT_STYLE, name)
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert type(model.backbone).__module__ == 'hrnet_mm.models.hrnet', name


if __name__ == '__main__':
    main()
