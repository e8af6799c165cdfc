"""Other projects' configs inherit from ours, under any program that reads them."""

import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers import ROOT, needs_compiled
from tests.packaging.helpers import Environment, succeed

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
DOWNSTREAM = HERE / 'downstream' / 'configs'
READ = 'import sys; from mmengine.config import Config; cfg = Config.fromfile(sys.argv[1])'


def test_every_config_of_a_wheel(installed: Environment) -> None:
    expected = len(list((ROOT / 'configs').rglob('*.py')))
    output = succeed(installed.run(HERE / 'inherit_configs.py', installed.folder, '*/*.py'))
    assert output.split()[-1] == str(expected)


def test_configs_of_an_editable_install(editable: Environment, source: Path) -> None:
    patterns = ('demo/*.py', 'pose/*w48*.py', 'cls/*small*.py', 'face/*300w*.py')
    succeed(editable.run(HERE / 'inherit_configs.py', source, *patterns))


def test_configs_of_a_tree_that_is_not_installed(sdist: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path)
    tree = next(path for path in tmp_path.iterdir() if path.is_dir())
    environment = Environment.create(tmp_path / 'environment')
    read = f'import hrnet_mm; {READ}; print(cfg.model.backbone.type, hrnet_mm.__file__)'
    output = succeed(
        environment.run('-c', read, DOWNSTREAM / 'people_pose.py', PYTHONPATH=str(tree))
    )
    assert output.split() == ['hrnet_mm.HRNet', str(tree / 'hrnet_mm' / '__init__.py')]


@needs_compiled
def test_trains_under_the_unmodified_mmpose(installed: Environment, workplace: Path) -> None:
    mmpose = Path(find_spec('mmpose').origin).parent
    done = installed.run(
        *(mmpose / '.mim/tools/train.py', DOWNSTREAM / 'people_pose.py'),
        *('--work-dir', 'downstream'),
        cwd=workplace,
    )
    succeed(done)
    assert (workplace / 'downstream' / 'epoch_1.pth').is_file()


def test_an_absent_config_is_named(installed: Environment, tmp_path: Path) -> None:
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'hrnet_mm::pose/hrnet_w33.py'")
    done = installed.run('-c', READ, config)
    assert done.returncode != 0
    assert 'No such file' in done.stderr
    assert 'hrnet_mm/.mim/configs/pose/hrnet_w33.py' in done.stderr


def test_other_packages_are_found_as_before(installed: Environment, tmp_path: Path) -> None:
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'mmpose::_base_/default_runtime.py'")
    output = succeed(installed.run('-c', f'{READ}; print(cfg.default_hooks.timer._scope_)', config))
    assert output.split() == ['mmpose']


def test_hosts_are_found_without_a_distribution_of_their_name(source: Path, tmp_path: Path) -> None:
    """The maintained fork's mmseg belongs to onedl-mmsegmentation."""
    environment = Environment.create(tmp_path / 'environment')
    shared = tmp_path / 'shared'
    shared.mkdir()
    for path in Path(sysconfig.get_path('purelib')).iterdir():
        if not path.name.startswith('mmsegmentation-'):
            (shared / path.name).symlink_to(path)
    (environment.site_packages / 'shared.pth').write_text(str(shared))
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'hrnet_mm::seg/fcn_hrnetv2_w18_cityscapes_512x1024.py'")
    script = f'import hrnet_mm; {READ}; print(cfg.model.decode_head.type)'
    output = succeed(environment.run('-c', script, config, PYTHONPATH=str(source)))
    assert output.split() == ['FCNHead']


def test_start_up_imports_nothing(installed: Environment) -> None:
    output = succeed(installed.run('-c', 'import sys; print(*sys.modules)'))
    loaded = set(output.split())
    assert 'hrnet_mm_startup' in loaded
    assert loaded.isdisjoint({'hrnet_mm', 'mmengine', 'torch', 'numpy'})


def test_start_up_survives_another_mmengine(installed: Environment, tmp_path: Path) -> None:
    package = tmp_path / 'mmengine' / 'config'
    package.mkdir(parents=True)
    for file in ('../__init__.py', '__init__.py', 'config.py', 'utils.py'):
        (package / file).touch()
    script = 'import mmengine.config.config as module; print(module.__file__)'
    done = installed.run('-W', 'always', '-c', script, PYTHONPATH=str(tmp_path))
    assert succeed(done).split() == [str(package / 'config.py')]
    assert 'configs cannot inherit from hrnet_mm' in done.stderr
