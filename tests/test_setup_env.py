"""Setting up the environment: a failed step says so, a finished one is not repeated."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.helpers import ROOT

ENV = ROOT / 'env'
THIS_PYTHON = '{}.{}'.format(*sys.version_info)


@pytest.fixture
def setup_env(monkeypatch):
    spec = importlib.util.spec_from_file_location('setup_env', ENV / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'setup_env', module)
    spec.loader.exec_module(module)
    return module


def test_failed_step_names_itself_its_reason_and_a_remedy(setup_env, tmp_path, capsys) -> None:
    step = setup_env.Step(
        'absent', 'an absent package', ('hrnet-mm-absent',), 'Look again.', ('--no-index',)
    )
    stack = setup_env.STACKS['openmmlab']
    assert not setup_env.install(step, stack, '[1/1] it', Path(sys.executable), tmp_path)
    printed = capsys.readouterr().out
    assert 'No matching distribution found for hrnet-mm-absent' in printed
    assert 'Setting up failed at: an absent package.' in printed
    assert str(tmp_path / 'absent.log') in printed
    assert printed.rstrip().endswith('Look again.')
    assert not (tmp_path / 'absent.done').exists()


def test_finished_step_is_repeated_only_when_its_versions_change(
    setup_env, tmp_path, capsys, monkeypatch
) -> None:
    step = setup_env.Step('numbers', 'numbers', ('numpy<99',), 'Look again.', ('--no-index',))
    stack = setup_env.STACKS['openmmlab']
    pins = {'numpy': version('numpy')}
    monkeypatch.setattr(setup_env, 'read_pins', lambda name: pins)
    monkeypatch.setattr(setup_env, 'pins_of', lambda stack: os.devnull)

    def install() -> str:
        assert setup_env.install(step, stack, '[1/1] numbers', Path(sys.executable), tmp_path)
        return capsys.readouterr().out

    assert 'done in' in install()
    assert install() == ''
    pins['numpy'] = '98'
    assert 'done in' in install()


def packages(setup_env, stack: str, mmcv_ops: bool = False) -> set[str]:
    steps = setup_env.steps_of(setup_env.STACKS[stack], mmcv_ops)
    return {setup_env.bare_name(package) for step in steps for package in step.packages}


@pytest.mark.parametrize('mmcv_ops', [False, True])
@pytest.mark.parametrize('stack', ['openmmlab', 'onedl', 'oldest', 'newest'])
def test_every_package_of_every_step_is_pinned(setup_env, stack: str, mmcv_ops: bool) -> None:
    pins = setup_env.read_pins(setup_env.STACKS[stack].pins)
    assert packages(setup_env, stack, mmcv_ops) - set(pins) == set()


def test_each_stack_has_one_package_for_a_module(setup_env) -> None:
    originals, forks = (packages(setup_env, stack) for stack in ('openmmlab', 'onedl'))
    assert originals - forks == {'mmengine', 'mmdet', 'mmsegmentation'}
    added = {name for name in forks - originals if name.startswith('onedl-')}
    assert added == {f'onedl-{name}' for name in ('mmengine', 'mmdetection', 'mmsegmentation')}


def test_nothing_is_compiled_unless_asked_for(setup_env) -> None:
    compiled = {'mmcv', 'xtcocotools', 'ninja', 'Cython', 'psutil'}
    assert packages(setup_env, 'openmmlab').isdisjoint(compiled)
    assert packages(setup_env, 'openmmlab', True) >= compiled
    assert 'mmcv-lite' not in packages(setup_env, 'openmmlab', True)


def test_mmcv_is_built_from_the_stacks_own_source(setup_env, tmp_path) -> None:
    stack = setup_env.STACKS['onedl']
    [step] = [step for step in setup_env.steps_of(stack, True) if step.name == 'mmcv']
    build, install = setup_env.commands(step, stack, Path('python'), tmp_path)
    pinned = setup_env.read_pins()['onedl-mmcv']
    assert build[-3:] == ['onedl-mmcv', pinned, str(tmp_path / 'mmcv')]
    assert install[-1] == 'onedl-mmcv'


def run_setup(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, ENV / 'setup_env.py', *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_unknown_stack_is_refused_before_anything_is_made(tmp_path) -> None:
    done = run_setup(tmp_path / 'venv', '--stack', 'mmlab')
    assert done.returncode == 2
    assert "invalid choice: 'mmlab' (choose from" in done.stderr
    assert not (tmp_path / 'venv').exists()


def test_a_python_that_a_stack_is_not_for_is_refused(setup_env, tmp_path) -> None:
    stack = next(
        name for name, stack in setup_env.STACKS.items() if THIS_PYTHON not in stack.pythons
    )
    done = run_setup(tmp_path / 'venv', '--stack', stack)
    assert done.returncode == 1
    assert (
        f'The stack {stack} needs Python 3.' in done.stdout and f'is {THIS_PYTHON}.' in done.stdout
    )
    assert not (tmp_path / 'venv').exists()


def test_an_environment_with_other_steps_is_made_anew(setup_env, tmp_path, monkeypatch) -> None:
    made = []

    def create(folder: Path, **options: bool) -> None:
        made.append(options)
        shutil.rmtree(folder)
        folder.mkdir()

    monkeypatch.setattr(setup_env.venv, 'create', create)
    monkeypatch.setattr(setup_env, 'install', lambda *_: True)
    monkeypatch.setattr(setup_env, 'STACKS', {'all': setup_env.Stack('pinned', (THIS_PYTHON,))})
    monkeypatch.setattr(sys, 'argv', ['setup_env.py', str(tmp_path), '--stack', 'all'])
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').touch()  # of one that was interrupted before it had pip
    for _ in range(2):
        assert setup_env.main() == 0 and made == [{'with_pip': True, 'clear': True}]
    (tmp_path / 'setup' / 'mmcv.done').touch()  # a step of compiling only
    assert setup_env.main() == 0 and len(made) == 2
