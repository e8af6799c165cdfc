"""What a wheel, a source distribution and an editable install consist of."""

import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.packaging.helpers import Environment, copy_sources, succeed

pytestmark = pytest.mark.slow
MIM = 'hrnet_mm/.mim/'


def files_of(*names: str) -> set[str]:
    """Files of the source tree below the names, relative to its root."""
    paths = (path for name in names for path in (ROOT / name, *(ROOT / name).rglob('*')))
    return {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.is_file() and '__pycache__' not in path.parts
    }


def test_wheel_carries_configs_tools_and_indexes(wheel: Path) -> None:
    expected = files_of('configs', 'tools', 'model-index.yml', 'dataset-index.yml')
    expected -= {f'tools/{name}.py' for name in ('benchmark', 'complexity', 'demo', 'make_dataset')}
    content = zipfile.ZipFile(wheel).namelist()
    assert {name.removeprefix(MIM) for name in content if name.startswith(MIM)} == expected


def test_wheel_has_the_package_and_the_start_up_and_nothing_else(wheel: Path) -> None:
    content = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(MIM)}
    metadata = {name for name in content if '.dist-info/' in name}
    # Kernels are compiled where they run, so that their sources are a part of the package.
    package = {name for name in files_of('hrnet_mm') if not name.startswith(MIM)}
    assert content - metadata == package | {'hrnet_mm_startup.py', 'hrnet_mm_startup.pth'}


def test_mim_reads_the_package_first(wheel: Path) -> None:
    """mim and MMEngine take the first line for the package's folder."""
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith('top_level.txt'))
    assert archive.read(name).decode().split() == ['hrnet_mm', 'hrnet_mm_startup']


def test_sdist_has_licence_and_sources(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    assert files_of('configs', 'hrnet_mm/kernels') <= names
    assert {'tools/train.py', 'tools/dist_train.sh'} <= names and 'tools/demo.py' not in names
    assert {'benchmark', 'demo', 'papers'}.isdisjoint(name.partition('/')[0] for name in names)
    assert {'LICENSE', 'NOTICE', 'README.md', 'setup.py', 'pyproject.toml'} <= names


def test_a_module_of_an_earlier_build_is_not_built_again(tmp_path: Path) -> None:
    source = copy_sources(tmp_path / 'source')
    stale = source / 'build/lib/hrnet_mm/inference/__init__.py'  # a module today, once a package
    stale.parent.mkdir(parents=True)
    stale.touch()
    command = [sys.executable, 'setup.py', '--quiet', 'build_py']
    succeed(subprocess.run(command, cwd=source, capture_output=True, text=True))
    assert not stale.exists() and stale.parent.with_suffix('.py').exists()


def test_installed_scripts_are_executable(installed: Environment) -> None:
    scripts = list((installed.site_packages / MIM / 'tools').glob('*.sh'))
    assert scripts
    assert all(script.stat().st_mode & 0o111 for script in scripts)


def test_editable_install_links_to_the_source(editable: Environment, source: Path) -> None:
    for name in ('configs', 'tools', 'model-index.yml', 'dataset-index.yml'):
        assert (source / MIM / name).resolve() == source / name
    assert (editable.site_packages / 'hrnet_mm_startup.pth').is_file()


def test_config_names_are_unique() -> None:
    """mim finds a config by the name of its file alone."""
    names = Counter(Path(name).name for name in files_of('configs') if name.endswith('.py'))
    assert [name for name, count in names.items() if count > 1] == []
