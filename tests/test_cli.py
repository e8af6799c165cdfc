"""What a person reads when a tool fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from hrnet_mm.cli import UserError, run_tool

ROOT = Path(__file__).resolve().parents[1]
DOCTOR = 'python -m hrnet_mm.doctor'


@pytest.mark.parametrize(
    ('module', 'sentence'),
    [
        (
            'raise ModuleNotFoundError("No module named \'mmcv._ext\'")',
            "No module named 'mmcv._ext'",
        ),
        ('raise AssertionError("MMCV==2.2.0 is incompatible")', 'MMCV==2.2.0 is incompatible'),
    ],
)
def test_a_tool_that_cannot_import_a_package_names_the_doctor(
    module: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text(module)
    tool = [
        sys.executable,
        ROOT / 'tools/infer.py',
        ROOT / 'configs/demo/hrnet_small_synthetic_128x96.py',
    ]
    done = subprocess.run(
        [*tool, 'x.pth', 'photo.jpg'],
        env=os.environ | dict(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert sentence in done.stderr and DOCTOR in done.stderr, done.stderr
    assert 'Traceback' not in done.stderr


def test_a_config_that_fails_is_no_package(tmp_path: Path) -> None:
    (tmp_path / 'config.py').write_text('raise ValueError("of the config")')

    def main() -> None:
        Config.fromfile(tmp_path / 'config.py')

    with pytest.raises(SystemExit) as caught:
        run_tool(main)
    assert 'of the config' in str(caught.value) and DOCTOR not in str(caught.value)


@pytest.mark.parametrize('error', [UserError('there is no x.pth'), ValueError('of the data')])
def test_other_errors_do_not(error: Exception) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run_tool(main)
    assert str(error) in str(caught.value) and DOCTOR not in str(caught.value)
