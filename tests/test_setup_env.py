"""Setting up the environment: a failed step says so, a finished one is not repeated."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

ENV = ROOT / 'env'


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
    assert not setup_env.install(step, '[1/1] it', Path(sys.executable), tmp_path)
    printed = capsys.readouterr().out
    assert 'No matching distribution found for hrnet-mm-absent' in printed
    assert 'Setting up failed at: an absent package.' in printed
    assert str(tmp_path / 'absent.log') in printed
    assert printed.rstrip().endswith('Look again.')
    assert not (tmp_path / 'absent.done').exists()


def test_finished_step_is_repeated_only_when_its_versions_change(
    setup_env, tmp_path, capsys, monkeypatch
) -> None:
    step = setup_env.Step('numbers', 'numbers', ('numpy',), 'Look again.', ('--no-index',))

    def install() -> str:
        assert setup_env.install(step, '[1/1] numbers', Path(sys.executable), tmp_path)
        return capsys.readouterr().out

    assert 'done in' in install()
    assert install() == ''
    changed = tmp_path / 'constraints.txt'
    changed.write_text('numpy>=2\n')
    monkeypatch.setattr(setup_env, 'CONSTRAINTS', changed)
    assert 'done in' in install()


def packages(setup_env, stack: str) -> set[str]:
    return {package for step in setup_env.steps_of(stack) for package in step.packages}


@pytest.mark.parametrize('stack', ['openmmlab', 'onedl'])
def test_every_package_of_every_step_is_pinned(setup_env, stack: str) -> None:
    pins = dict(re.findall(r'^([\w.-]+)(==.+|<.+)$', setup_env.CONSTRAINTS.read_text(), re.M))
    assert packages(setup_env, stack) - set(pins) == set()


def test_each_stack_has_one_package_for_a_module(setup_env) -> None:
    originals, forks = (packages(setup_env, stack) for stack in ('openmmlab', 'onedl'))
    assert originals - forks == {'mmengine', 'mmcv', 'mmdet', 'mmsegmentation'}
    added = {name for name in forks - originals if name.startswith('onedl-')}
    assert added == {
        f'onedl-{name}' for name in ('mmengine', 'mmcv', 'mmdetection', 'mmsegmentation')
    }


def test_mmcv_is_built_from_the_stacks_own_source(setup_env, tmp_path) -> None:
    step = next(step for step in setup_env.steps_of('onedl') if step.name == 'mmcv')
    build, install = setup_env.commands(step, Path('python'), tmp_path)
    pinned = setup_env.pinned_version('onedl-mmcv')
    assert build[-3:] == ['onedl-mmcv', pinned, str(tmp_path / 'mmcv')]
    assert install[-1] == 'onedl-mmcv'


def test_unknown_stack_is_refused_before_anything_is_made(tmp_path) -> None:
    command = [sys.executable, ENV / 'setup_env.py', tmp_path / 'venv', '--stack', 'mmlab']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "invalid choice: 'mmlab' (choose from" in done.stderr
    assert not (tmp_path / 'venv').exists()
