import os
import subprocess
import sys
from pathlib import Path

from hrnet_mm import doctor


def test_doctor_finds_this_environment_healthy() -> None:
    done = subprocess.run([sys.executable, '-m', 'hrnet_mm.doctor'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line[8:26].strip(): line for line in done.stdout.splitlines()}
    for name in (
        'torch',
        'mmcv operators',
        'mmpose',
        'mmdet',
        'mmseg',
        'mmpretrain',
        'xtcocotools',
    ):
        assert lines[name].startswith('ok'), lines[name]


def test_doctor_gives_a_remedy_for_what_fails(monkeypatch, capsys) -> None:
    def fails() -> str:
        raise RuntimeError('does not load\nsecond line')

    def absent() -> str:
        raise ModuleNotFoundError(name='mmcv.ops')

    checks = (
        doctor.Check('lib', fails, 'Install it again.'),
        doctor.Check('mmcv', absent, doctor.MMCV_REMEDY, required=True),
    )
    monkeypatch.setattr(doctor, 'CHECKS', checks)
    assert doctor.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'FAILS   lib               RuntimeError: does not load. Install it again.'
    assert lines[1].startswith('MISSING mmcv              no module mmcv. Build it from source')


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
    assert 'mmengine and onedl-mmengine lie over each other; uninstall both' in output


def test_remedies_name_the_packages_of_the_installed_stack(tmp_path: Path) -> None:
    code = 'from hrnet_mm.doctor import CHECKS; print(*[check.remedy for check in CHECKS])'
    output = output_beside(tmp_path, {'onedl-mmcv': 'mmcv'}, code)
    for name in ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmsegmentation'):
        assert name in output
    for name in (' mmcv==', ' mmdet ', ' mmsegmentation ', "'mmengine'"):
        assert name not in output
