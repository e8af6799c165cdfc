"""Tiny trainings that each test of this folder may start, and whole ones to compare with."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forked_tools import Run
from tests.robustness.trainings import FIRST_ITERATION, SEED, Training, start_training


@pytest.fixture
def start(people: Path, tmp_path: Path) -> Callable[..., Run]:
    """Start tools/train.py with a config of this folder, or another, on the synthetic people."""

    def start(config: str | Path, work_dir: Path, *arguments: object, **how: Any) -> Run:
        return start_training(config, work_dir, people, tmp_path, *arguments, **how)

    return start


@pytest.fixture(scope='session')
def whole(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Training]:
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
