"""Setting up the environment: a failed step says so, a finished one is not repeated."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ENV = Path(__file__).resolve().parents[1] / 'env'


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


def test_every_package_of_every_step_is_pinned(setup_env) -> None:
    pins = dict(re.findall(r'^([\w.-]+)(==.+|<.+)$', setup_env.CONSTRAINTS.read_text(), re.M))
    unpinned = {p for step in setup_env.STEPS for p in step.packages} - set(pins)
    assert unpinned == set()
