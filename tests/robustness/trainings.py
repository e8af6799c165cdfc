"""Tiny trainings by tools/train.py, what they leave, and what does harm to them."""

from __future__ import annotations

import json
import os
import resource
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hrnet_mm.weights.read import read_checkpoint
from tests.forked_tools import Run
from tests.helpers import equal, reserved_port

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


def start_training(
    config: str | Path, work_dir: Path, data: Path, cwd: Path, *arguments: object, **how: Any
) -> Run:
    path = CONFIGS / f'{config}.py' if isinstance(config, str) else config
    flags = ('--data-root', data, '--work-dir', work_dir)
    return Run('train.py', path, *flags, *arguments, cwd=cwd, **how)


def config_with(folder: Path, config: str, hook: str, **options: object) -> Path:
    """The config with a hook of ``at_iteration.py``."""
    path = folder / f'{config}_{hook}.py'
    settings = ', '.join(f'{key}={value!r}' for key, value in options.items())
    path.write_text(
        f'_base_ = {str(CONFIGS / f"{config}.py")!r}\n'
        "custom_imports = dict(imports=['tests.robustness.at_iteration'])\n"
        f"custom_hooks = [dict(type='mmengine.{hook}', {settings})]\n"
    )
    return path


def allow_small_files_only() -> None:
    """Let writing fail where a checkpoint would be half-written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def die_in_large_files() -> None:
    """Let the system kill the process where a checkpoint is half-written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    allow_small_files_only()


def start_two(
    config: str | Path, work_dir: Path, data: Path, cwd: Path, *flags: object
) -> list[Run]:
    """Two processes of one training, each with a folder ``rank0`` or ``rank1`` of its own."""
    runs = []
    with reserved_port() as port:
        for rank in (0, 1):
            folder = cwd / f'rank{rank}'
            folder.mkdir(exist_ok=True)
            more = '--launcher', 'pytorch', '--no-validate', *flags
            first = partial(be_rank, rank, port)
            runs.append(start_training(config, work_dir, data, folder, *more, first=first))
        for run in runs:
            run.wait()
    return runs


def be_rank(rank: int, port: int) -> None:
    """What torchrun tells each of two processes."""
    os.environ |= dict(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2')
    os.environ |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))


def assert_equal(actual: Training, expected: Training) -> None:
    """The same weights, optimizer state and metrics, bit for bit."""
    ours, theirs = read_checkpoint(actual.last), read_checkpoint(expected.last)
    for key in ('state_dict', 'optimizer'):
        assert equal(ours[key], theirs[key]), key
    assert ours['meta']['iter'] == theirs['meta']['iter']
    assert actual.metrics == expected.metrics
