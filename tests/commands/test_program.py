"""What every tool does before its own work, and what a person reads when it fails."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS

from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.commands import program
from hrnet_mm.commands.program import run_program, run_tool
from hrnet_mm.kernels.openmp import library_of_torch
from tests.helpers import TOOLS, ctrl_c_stops

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
    module: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'broken_package.py').write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as caught:
        run_program('broken_package')
    assert sentence in str(caught.value) and DOCTOR in str(caught.value)


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


def test_ctrl_c_that_an_import_makes_an_error_of_its_own_stops() -> None:
    def main() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ImportError('Error importing numpy')

    with ctrl_c_stops(), pytest.raises(SystemExit) as caught:
        program.run_reporting(main)
    assert caught.value.code == '\nstopped'


@pytest.mark.slow
@pytest.mark.skipif(library_of_torch('GOMP_parallel') is None, reason="asks GNU's OpenMP")
def test_openmp_is_told_before_torch_is_imported() -> None:
    code = "from hrnet_mm.commands.program import run_program; run_program('torch')"
    unset = {name: value for name, value in os.environ.items() if name not in program.WAITING}
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=unset | dict(OMP_DISPLAY_ENV='verbose'),
        capture_output=True,
        text=True,
    )
    spins = re.findall("GOMP_SPINCOUNT = '(.*)'", done.stderr)
    assert spins and {*spins} == {'10000'}


def test_every_tool_runs_its_program_and_imports_nothing_before() -> None:
    for tool in TOOLS.glob('*.py'):
        text = tool.read_text(encoding='utf-8')
        imported = re.findall(r'^(?:from|import) (\S+)', text, re.MULTILINE)
        assert 'hrnet_mm.commands.program' in imported and 'run_program(' in text, tool
        assert {*imported} <= {'hrnet_mm.commands.program', 'sys', 'pathlib'}, tool


def test_debug_lets_the_exception_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        raise UserError('there is no config nowhere.py')

    monkeypatch.setattr(sys, 'argv', ['train.py', 'nowhere.py', '--debug'])
    with pytest.raises(UserError, match='nowhere'):
        run_tool(main)


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


def test_processes_that_a_program_spawns_have_the_stand_ins(tmp_path: Path) -> None:
    program = tmp_path / 'program.py'
    program.write_text("""
from importlib import import_module
from multiprocessing import get_context

from hrnet_mm.commands.program import run_tool


class Dataset:
    def __reduce__(self):  # as a dataset of mmpose, whose module imports this one
        return import_module, ('xtcocotools.coco',)


def main():
    process = get_context('spawn').Process(target=print, args=(Dataset(),))
    process.start()
    process.join()
    raise SystemExit(process.exitcode)


if __name__ == '__main__':
    run_tool(main)
""")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
