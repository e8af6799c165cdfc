import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import xtcocotools.mask

from hrnet_mm import doctor
from hrnet_mm.standins import STAND_INS


def test_doctor_finds_this_environment_healthy() -> None:
    done = subprocess.run([sys.executable, '-m', 'hrnet_mm.doctor'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line[8:26].strip(): line for line in done.stdout.splitlines()}
    for name in (
        'torch',
        'configs',
        'checkpoints',
        'mmcv operators',
        'cv2',
        'pycocotools',
        'mmpose',
        'mmdet',
        'mmseg',
        'mmpretrain',
        'xtcocotools',
    ):
        assert lines[name].startswith('ok'), lines[name]


def printed_by(monkeypatch, capsys, *checks: doctor.Check) -> list[str]:
    """What the doctor says of these checks."""
    monkeypatch.setattr(doctor, 'CHECKS', checks)
    doctor.main([])
    return capsys.readouterr().out.splitlines()


def test_doctor_explains_itself_and_takes_no_arguments(monkeypatch, capsys) -> None:
    monkeypatch.setattr(doctor, 'CHECKS', ())
    for argv, code in ((['--help'], 0), (['mmdet'], 2)):
        with pytest.raises(SystemExit) as stopped:
            doctor.main(argv)
        assert stopped.value.code == code
    assert 'Say what works in this environment' in capsys.readouterr().out


def test_doctor_says_where_something_stands_in_for_a_compiled_library(monkeypatch) -> None:
    monkeypatch.setattr(doctor, 'serving', lambda: ['mmcv._ext', 'xtcocotools.mask'])
    assert doctor.mmcv_operators() == 'hrnet_mm stands in, nms works'
    assert doctor.masks_of('xtcocotools')() == 'pycocotools stands in, decodes masks'


def raising(error: Exception) -> Callable[[], str]:
    def run() -> str:
        raise error

    return run


def test_doctor_gives_a_remedy_for_what_fails(monkeypatch, capsys) -> None:
    absent = ModuleNotFoundError(name='mmcv.ops')
    checks = (
        doctor.Check('lib', raising(RuntimeError('does not load\nsecond line')), 'Mend it.'),
        doctor.Check('mmcv', raising(absent), doctor.MMCV_REMEDY, required=True),
    )
    lines = printed_by(monkeypatch, capsys, *checks)
    assert lines[0] == 'FAILS   lib               RuntimeError: does not load. Mend it.'
    assert lines[1].startswith('MISSING mmcv              no module mmcv.ops. ')
    assert 'Build it from source' in lines[1]
    assert doctor.main([]) == 1
    monkeypatch.setattr(doctor, 'CHECKS', checks[:1])
    assert doctor.main([]) == 0


def test_the_remedy_is_that_of_the_package_at_fault_and_given_once(monkeypatch, capsys) -> None:
    absent = ModuleNotFoundError(name='mmcv._ext')
    broken = ImportError('file too short', path='/lib/xtcocotools/_mask.so')
    lines = printed_by(
        monkeypatch,
        capsys,
        doctor.Check('mmcv', raising(absent), doctor.MMCV_REMEDY),
        doctor.Check('mmpose', raising(absent), 'Install mmpose.'),
        doctor.Check('mmpose', raising(broken), 'Install mmpose.'),
        doctor.Check('mmpose', raising(ModuleNotFoundError(name='yaml')), 'Install mmpose.'),
        doctor.Check('mmpose', raising(ModuleNotFoundError(name='munkres')), 'Install mmpose.'),
        doctor.Check('xtcocotools', str, 'Compile it.'),
    )
    assert '--force-reinstall --no-deps --no-cache-dir' in lines[0]
    assert lines[1].endswith('no module mmcv._ext. The remedy stands above.')
    assert lines[2].endswith('ImportError: file too short. Compile it.')
    assert lines[3].endswith('no module yaml. pip install PyYAML.')
    assert lines[4].endswith('no module munkres. pip install munkres.')


def test_a_mask_that_cannot_be_decoded_is_found_by_decoding_one(monkeypatch) -> None:
    check = doctor.masks_of('xtcocotools')
    assert check().endswith('decodes masks')
    monkeypatch.setattr(xtcocotools.mask, 'decode', lambda encoded: np.zeros((10, 10)))
    with pytest.raises(RuntimeError, match='pixels of a mask: 0 in place of 16'):
        check()


def test_bases_are_found_without_pkg_resources_and_a_broken_one_has_a_remedy(
    monkeypatch, capsys
) -> None:
    [configs] = [check for check in doctor.CHECKS if check.name == 'configs']
    if 'onedl-mmengine' in doctor.distributions()['mmengine']:
        pytest.skip('the fork does not import pkg_resources')
    monkeypatch.setitem(sys.modules, 'pkg_resources', import_module(STAND_INS['pkg_resources']))
    [line] = printed_by(monkeypatch, capsys, configs)
    assert line.startswith('ok') and '(hrnet_mm stands in for pkg_resources)' in line
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    [line] = printed_by(monkeypatch, capsys, configs)
    assert line.startswith('MISSING') and "pip install 'setuptools>=77.0.3,<81'" in line


def test_a_host_that_refuses_this_mmcv_has_mmcvs_remedy(monkeypatch) -> None:
    bars = AssertionError('MMCV==2.2.0 is used but incompatible. Please install mmcv<2.2.0.')
    monkeypatch.setattr(doctor, 'version_of', lambda module: raising(bars))
    with pytest.raises(doctor.Unfit, match='incompatible') as caught:
        doctor.host('mmdet')()
    assert caught.value.remedy == doctor.MMCV_REMEDY


def output_beside(folder: Path, distributions: dict[str, str], code: str) -> str:
    """Run code where pip also knows the distributions, each of which has the module named."""
    for name, module in distributions.items():
        metadata = folder / f'{name.replace("-", "_")}-9.0.dist-info'
        metadata.mkdir()
        (metadata / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n')
        (metadata / 'top_level.txt').write_text(module)
    path = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=os.environ | dict(PYTHONPATH=path),
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_two_stacks_in_one_environment_are_found(tmp_path: Path) -> None:
    both = {'mmengine': 'mmengine', 'onedl-mmengine': 'mmengine'}
    code = 'from hrnet_mm.doctor import version_of; version_of("mmengine")()'
    output = output_beside(tmp_path, both, code)
    assert 'mmengine and onedl-mmengine lie over each other' in output


def test_remedies_name_the_packages_of_the_installed_stack(tmp_path: Path) -> None:
    code = 'from hrnet_mm.doctor import CHECKS; print(*[check.remedy for check in CHECKS])'
    output = output_beside(tmp_path, {'onedl-mmcv': 'mmcv'}, code)
    for name in ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmsegmentation'):
        assert name in output
    for name in (' mmcv==', ' mmdet ', ' mmsegmentation ', "'mmengine'"):
        assert name not in output


def test_mmcv_lite_is_uninstalled_before_mmcv_is_built(tmp_path: Path) -> None:
    code = 'from hrnet_mm.doctor import MMCV_REMEDY; print(MMCV_REMEDY)'
    assert output_beside(tmp_path, {'mmcv-lite': 'mmcv'}, code).startswith(
        'pip uninstall mmcv-lite'
    )
