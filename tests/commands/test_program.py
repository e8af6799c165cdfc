"""What every tool does before its own work, and what a person reads when it fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS

from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.commands import program
from hrnet_mm.commands.program import run_tool
from hrnet_mm.kernels.compiler import library_of_torch
from tests.helpers import ROOT, TOOLS

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
        TOOLS / 'infer.py',
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


@pytest.mark.slow
@pytest.mark.skipif(library_of_torch('GOMP_parallel') is None, reason="asks GNU's OpenMP")
@pytest.mark.parametrize('arguments', ['train.py missing.py', 'export.py -h', 'benchmark.py -h'])
def test_openmp_is_told_before_torch_is_imported(arguments: str) -> None:
    tool, *rest = arguments.split()
    unset = {name: value for name, value in os.environ.items() if name not in program.WAITING}
    done = subprocess.run(
        [sys.executable, str(TOOLS / tool), *rest],
        env=unset | dict(OMP_DISPLAY_ENV='verbose'),
        capture_output=True,
        text=True,
    )
    spins = re.findall("GOMP_SPINCOUNT = '(.*)'", done.stderr)
    assert spins and {*spins} == {'10000'}


@pytest.mark.parametrize('name', program.WAITING)
def test_what_the_user_has_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {name: '7'}
    monkeypatch.setattr(program.os, 'environ', environment)
    program.let_idle_threads_sleep()
    assert environment == {name: '7'}
    environment.clear()
    program.let_idle_threads_sleep()
    assert environment == {'GOMP_SPINCOUNT': '10000'}


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError) as error:
        {}[1001]
    assert sentence_of(error.value) == 'missing key 1001'


def test_the_sentence_of_a_registry_begins_as_it_is() -> None:
    with pytest.raises(KeyError) as error:
        HOOKS.build(dict(type='ExpMomentumEMAA'))
    assert sentence_of(error.value).startswith('ExpMomentumEMAA is not in the')
