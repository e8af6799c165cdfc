"""What stands in for pkg_resources answers mmengine alike, and others as if there were none."""

from __future__ import annotations

import sys
from importlib import import_module, reload
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.utils import get_installed_path, is_installed
from mmengine.utils.package_utils import package2module

from hrnet_mm.standins import StandInFinder, distributions, put_in_place

INSTALLED = ('mmpose', 'mmsegmentation', 'mmdet', 'numpy', 'PyYAML')
ABSENT = ('mmcls', 'hrnet-mm-absent')


@pytest.fixture
def as_setuptools_81(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what stands in can be found as pkg_resources."""
    finders = [finder for finder in sys.meta_path if finder is not StandInFinder]
    monkeypatch.setattr(sys, 'meta_path', [WithoutPkgResources(finder) for finder in finders])
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)  # else it stays after the test
    del sys.modules['pkg_resources']
    put_in_place()


class WithoutPkgResources:
    """A finder, but for this one module."""

    def __init__(self, finder: object) -> None:
        self.finder = finder

    def find_spec(self, name: str, *where: object) -> object:
        return None if name == 'pkg_resources' else self.finder.find_spec(name, *where)

    def __getattr__(self, name: str) -> object:
        return getattr(self.finder, name)


@pytest.mark.usefixtures('as_setuptools_81')
def test_mmengine_finds_packages_as_with_pkg_resources() -> None:
    if 'onedl-mmengine' in packages_distributions()['mmengine']:
        pytest.skip('the fork does not import pkg_resources')
    assert all(map(is_installed, INSTALLED)) and not any(map(is_installed, ABSENT))
    assert import_module('pkg_resources') is distributions
    mmpose = Path(import_module('mmpose').__file__).parent
    assert get_installed_path('mmpose') == str(mmpose)
    assert get_installed_path('mmsegmentation') == str(mmpose.with_name('mmseg'))
    assert package2module('mmsegmentation') == 'mmseg'
    with pytest.raises(distributions.DistributionNotFound, match='mmcls'):
        get_installed_path('mmcls')


@pytest.mark.parametrize('name', [*INSTALLED, *ABSENT])
def test_it_answers_as_pkg_resources_does(name: str) -> None:
    theirs = pytest.importorskip('pkg_resources')
    if theirs is distributions:
        pytest.skip('setuptools 81 and newer have no pkg_resources')
    found = []
    for module in (theirs, distributions):
        try:
            package = module.get_distribution(name)
        except module.DistributionNotFound:
            found.append(None)
        else:
            files = ('METADATA', 'top_level.txt', 'none.txt')
            texts = [package.get_metadata(f) if package.has_metadata(f) else None for f in files]
            found.append((package.version, package.location, texts))
    assert found[0] == found[1]


def test_whoever_asks_for_more_is_answered_as_if_there_were_none(
    as_setuptools_81: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pkg_resources = reload(import_module('pkg_resources'))
    with pytest.raises(ModuleNotFoundError, match="'setuptools<81'"):
        from pkg_resources import working_set  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        pkg_resources.declare_namespace('here')
    assert not hasattr(pkg_resources, '__path__')
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures('as_setuptools_81')
def test_a_config_inherits_from_a_host(tmp_path: Path) -> None:
    (tmp_path / 'config.py').write_text("_base_ = 'mmpose::_base_/datasets/coco.py'")
    assert Config.fromfile(tmp_path / 'config.py').dataset_info.dataset_name == 'coco'
