"""Lets configs inherit from those of hrnet_mm, whichever program reads them.

``_base_ = 'hrnet_mm::pose/x.py'`` and ``with read_base(): from hrnet_mm.configs.pose.x import *``
must work in the hosts' own tools, which read a config before anything imports hrnet_mm. So
``hrnet_mm_startup.pth`` imports this module whenever Python starts. All it does then is to wait for
MMEngine's config module, where it changes nothing for any other package, with one exception: hosts
from the maintained fork, whose distributions have other names, are found as the originals are.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE = 'hrnet_mm'
CONFIG_MODULE = 'mmengine.config.config'


class ConfigModuleFinder:
    """Finds MMEngine's config module as the other finders do, to extend it once it has run."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != CONFIG_MODULE:
            return None
        others = [finder for finder in sys.meta_path if finder is not cls]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None:
            run = spec.loader.exec_module

            def run_and_extend(module: ModuleType) -> None:
                run(module)
                extend(module)

            spec.loader.exec_module = run_and_extend
        return spec


def extend(module: ModuleType) -> None:
    """Teach MMEngine's config module where the configs of this package are."""
    try:
        find_hosts_of_forks()
        extend_base(module)
        extend_read_base(module)
    except (AttributeError, KeyError) as error:
        import warnings

        message = f'configs cannot inherit from {PACKAGE} with this mmengine: {error}'
        warnings.warn(message, stacklevel=2)


def find_hosts_of_forks() -> None:
    """Let ``mmseg::`` find mmseg where its distribution is not named mmsegmentation.

    MMEngine looks for that distribution. Under the module's own name it asks Python instead.
    """
    from importlib.metadata import PackageNotFoundError, distribution
    from importlib.util import find_spec

    distributions = sys.modules['mmengine.config.utils'].MODULE2PACKAGE
    for host, name in list(distributions.items()):
        if host != name and find_spec(host) is not None:
            try:
                distribution(name)
            except PackageNotFoundError:
                distributions[host] = host


def extend_base(module: ModuleType) -> None:
    """Resolve ``hrnet_mm::`` in ``_base_``.

    MMEngine would mark every object of the base that has no scope yet with ``_scope_='hrnet_mm'``,
    as if our registries held it. The objects of our configs are the hosts'.
    """
    # A submodule on purpose: no distribution has its name, so that MMEngine asks Python where it
    # is. Where the metadata is, an editable install does not have the package.
    sys.modules['mmengine.config.utils'].MODULE2PACKAGE.setdefault(PACKAGE, f'{PACKAGE}.registry')
    of_any_package = module.Config._get_cfg_path

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        package, separator, name = cfg_path.partition('::')
        if separator and package == PACKAGE:
            return os.path.join(content_folder(), 'configs', name), None
        return of_any_package(cfg_path, filename)

    module.Config._get_cfg_path = staticmethod(get_cfg_path)


def extend_read_base(module: ModuleType) -> None:
    """Resolve ``hrnet_mm.configs`` in ``read_base``, which alone reads no ``_base_`` configs."""
    installed_path, parse_lazy_import = module.get_installed_path, module.Config._parse_lazy_import

    def get_installed_path(package: str) -> str:
        return content_folder() if package == PACKAGE else installed_path(package)

    def parse_any_import(filename: str) -> tuple[dict, set[str]]:
        ours = os.path.join(content_folder(), 'configs', '')
        if filename.startswith(ours) and not module.Config._is_lazy_import(filename):
            return module.ConfigDict(module.Config.fromfile(filename).to_dict()), set()
        return parse_lazy_import(filename)

    module.get_installed_path = get_installed_path
    module.Config._parse_lazy_import = staticmethod(parse_any_import)


def content_folder() -> str:
    """The folder with configs/: ``.mim`` of the package, or the root of a tree not installed."""
    from importlib.util import find_spec  # not at the top, where it would cost every program 1 ms

    package = os.path.dirname(find_spec(PACKAGE).origin)
    installed = os.path.join(package, '.mim')
    return installed if os.path.isdir(installed) else os.path.dirname(package)


if CONFIG_MODULE in sys.modules:
    extend(sys.modules[CONFIG_MODULE])
else:
    sys.meta_path.insert(0, ConfigModuleFinder)
