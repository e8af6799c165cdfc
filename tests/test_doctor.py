import subprocess
import sys

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
