"""mim does with the package what it does with the hosts."""

import subprocess
import zipfile
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.helpers import ROOT
from tests.packaging.helpers import Environment, succeed

pytestmark = pytest.mark.slow
DEMO = 'hrnet_small_synthetic_128x96'
PYTHON_STYLE = Path(__file__).parent / 'downstream' / 'configs' / 'people_pose_python_style.py'


def mim(environment: Environment, folder: Path, *arguments: object) -> str:
    return succeed(environment.run('-m', 'mim', *arguments, cwd=folder, HOME=str(folder)))


def test_install_list_uninstall(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / 'environment')
    mim(environment, tmp_path, 'install', '--no-deps', '--no-index', wheel)
    assert 'hrnet-mm' in mim(environment, tmp_path, 'list').replace('_', '-')
    mim(environment, tmp_path, 'uninstall', '--yes', 'hrnet_mm')
    assert list(environment.site_packages.glob('*hrnet*')) == []


def test_search(installed: Environment, tmp_path: Path) -> None:
    fields = ('coco/ap', 'results_from')
    output = mim(
        installed, tmp_path, 'search', 'hrnet_mm', '--model', 'hrnetv1', '--field', *fields
    )
    found = output.split('config id: hrnet_w32_coco_384x288')[1].split('config id')[0]
    assert found.split()[:4] == ['coco/ap', '75.8', 'results_from', 'arxiv']


def test_download_dumps_the_config(installed: Environment, tmp_path: Path) -> None:
    name = 'hrnet_w48_coco_256x192'
    weights = 'td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth'
    (tmp_path / weights).touch()  # mim takes it for downloaded
    mim(installed, tmp_path, 'download', 'hrnet_mm', '--config', name, '--dest', tmp_path)
    assert Config.fromfile(tmp_path / f'{name}.py').model.backbone.arch == 'w48'


def test_downloaded_coco_is_unpacked(tmp_path: Path) -> None:
    raw = tmp_path / 'down load' / 'COCO_2017' / 'raw'
    archives = {
        'Images/train2017.zip': 'train2017/1.jpg',
        'Images/val2017.zip': 'val2017/2.jpg',
        'Annotations/annotations_trainval2017.zip': 'annotations/instances_val2017.json',
    }
    for archive, content in archives.items():
        (raw / archive).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(raw / archive, 'w') as file:
            file.writestr(content, '')
    data = tmp_path / 'data'
    script = ROOT / 'tools' / 'unpack_coco2017.sh'
    subprocess.run([script, raw.parents[1], data], check=True, capture_output=True)
    unpacked = {path.relative_to(data).as_posix() for path in data.rglob('*') if path.is_file()}
    assert unpacked == set(archives.values())


def test_run(installed: Environment, workplace: Path, tmp_path: Path) -> None:
    config = Path('configs') / 'demo' / f'{DEMO}.py'
    options = ('--data-root', workplace / 'data/synthetic_people')
    output = mim(installed, tmp_path, 'run', 'hrnet_mm', 'check', ROOT / config, *options)
    assert 'nothing is surely wrong' in output


def test_train_with_two_processes_then_test(installed: Environment, workplace: Path) -> None:
    """By a config that inherits in MMEngine's Python style, and by one that mim finds by name."""
    two = ('--launcher', 'pytorch', '--gpus', 2)
    mim(installed, workplace, 'train', 'hrnet_mm', PYTHON_STYLE, *two, '--work-dir', 'by_mim')
    dumped = Config.fromfile(workplace / 'by_mim' / PYTHON_STYLE.name)
    assert dumped.model.backbone.with_cp
    checkpoint = workplace / 'by_mim' / 'epoch_1.pth'
    output = mim(installed, workplace, 'test', 'hrnet_mm', f'{DEMO}.py', '--checkpoint', checkpoint)
    assert 'coco/AP' in output
