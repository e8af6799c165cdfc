"""Tiny trainings by tools/train.py, and what they leave."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from hrnet_mm.weights.read import read_checkpoint
from tests.robustness.warm import Run
from tests.training.conftest import people  # noqa: F401  (a fixture)

CONFIGS = Path(__file__).parent / 'configs'
LAST = dict(pose='epoch_3.pth', seg='iter_9.pth')
SEED = 3
FIRST_ITERATION = 'Epoch(train) [1][1'


@dataclass(frozen=True)
class Training:
    """A work folder of ``config``, and how long it took from the first iteration on."""

    config: str
    work_dir: Path
    seconds: float = 0

    @property
    def last(self) -> Path:
        return self.work_dir / LAST[self.config]

    @property
    def pointer(self) -> Path:
        return self.work_dir / 'last_checkpoint'

    @property
    def named(self) -> Path:
        """The checkpoint that ``last_checkpoint`` names."""
        return Path(self.pointer.read_text())

    @property
    def metrics(self) -> dict[str, float]:
        """Of the last evaluation."""
        logs = sorted(self.work_dir.glob('*/vis_data/scalars.json'))
        lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
        evaluated = [line for line in lines if 'EPE' in line or 'mIoU' in line]
        return {k: v for k, v in evaluated[-1].items() if k not in ('time', 'data_time')}


Start = Callable[..., Run]


@pytest.fixture
def start(people: Path, tmp_path: Path) -> Start:  # noqa: F811
    """Start tools/train.py with a config of this folder, or another, on the synthetic people."""

    def start(config: str | Path, work_dir: Path, *arguments: object, **how: Any) -> Run:
        return start_training(config, work_dir, people, tmp_path, *arguments, **how)

    return start


def start_training(
    config: str | Path, work_dir: Path, data: Path, cwd: Path, *arguments: object, **how: Any
) -> Run:
    path = CONFIGS / f'{config}.py' if isinstance(config, str) else config
    flags = ('--data-root', data, '--work-dir', work_dir)
    return Run('train.py', path, *flags, *arguments, cwd=cwd, **how)


@pytest.fixture(scope='session')
def whole(
    people: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Training]:
    """Each config trained from beginning to end without an interruption."""
    done: dict[str, Training] = {}

    def train(config: str) -> Training:
        if config not in done:
            cwd = tmp_path_factory.mktemp(config)
            run = start_training(config, cwd / 'whole', people, cwd, '--seed', SEED)
            run.wait_for(FIRST_ITERATION)
            started = time.monotonic()
            assert run.wait() == 0, run.output
            done[config] = Training(config, cwd / 'whole', time.monotonic() - started)
        return done[config]

    return train


@pytest.fixture
def copy_of_whole(whole: Callable[[str], Training], tmp_path: Path) -> Callable[[str], Training]:
    def copy(config: str) -> Training:
        work_dir = shutil.copytree(whole(config).work_dir, tmp_path / 'copy')
        training = Training(config, work_dir)
        training.pointer.write_text(str(training.last))
        return training

    return copy


def assert_equal(actual: Training, expected: Training) -> None:
    """The same weights, optimizer state and metrics, bit for bit."""
    ours, theirs = read_checkpoint(actual.last), read_checkpoint(expected.last)
    for key in ('state_dict', 'optimizer'):
        assert equal(ours[key], theirs[key]), key
    assert ours['meta']['iter'] == theirs['meta']['iter']
    assert actual.metrics == expected.metrics


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def error_of(run: Run) -> str:
    """The sentence of a tool that ended with an error."""
    assert run.wait() == 1, run.output
    assert 'Traceback' not in run.output
    sentence, _, hint = run.output.rpartition('error: ')[2].rstrip().rpartition('\n')
    assert hint == '(run again with --debug for the traceback)'
    return sentence
