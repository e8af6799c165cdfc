"""Running a config: the hosts' Runner, on CPU too, leaving nothing behind when it cannot start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from hrnet_mm.checkpoints.loading import read_checkpoint
from hrnet_mm.cli import UserError
from hrnet_mm.engine.checks import check_data


def train(cfg: Config) -> Runner:
    """Train, evaluating on the way, as the config says.

    Raises:
        UserError: data or a checkpoint is absent or unreadable.
    """
    validates = cfg.get('val_dataloader') is not None
    check_data(cfg, ('train', 'val') if validates else ('train',))
    if cfg.get('load_from'):
        check_checkpoint(cfg.load_from)
    repeat_epochs_on_resume(cfg)
    return run(cfg, Runner.train)


def test(cfg: Config) -> dict[str, float]:
    """Evaluate ``cfg.load_from`` on the test data and return the metrics.

    Raises:
        UserError: data or the checkpoint is absent or unreadable.
    """
    check_data(cfg, ('test',))
    check_checkpoint(cfg.load_from)
    metrics: dict[str, float] = {}
    run(cfg, lambda runner: metrics.update(runner.test()))
    return metrics


def run(cfg: Config, job: Any) -> Runner:
    prepare_processes(cfg)
    with no_traces_of_a_failed_start(Path(cfg.work_dir)) as first_step:
        runner = Runner.from_cfg(cfg)
        runner.register_hook(first_step, priority='LOWEST')
        job(runner)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # else a process may abort while it exits
    return runner


def check_checkpoint(path: str) -> None:
    if '://' not in path:
        read_checkpoint(path)


def repeat_epochs_on_resume(cfg: Config) -> None:
    """Make a resumed run equal to an uninterrupted one: see EpochSeedHook."""
    hook = dict(type='hrnet_mm.EpochSeedHook')
    hooks = list(cfg.get('custom_hooks') or [])
    if hook not in hooks:
        cfg.custom_hooks = [*hooks, hook]
    if cfg.train_dataloader.get('persistent_workers'):
        cfg.train_dataloader.persistent_workers = False


def prepare_processes(cfg: Config) -> None:
    """Let several processes train without a GPU, which MMEngine's launcher does not foresee."""
    if cfg.get('launcher', 'none') == 'none' or torch.cuda.is_available():
        return
    if cfg.launcher != 'pytorch':
        raise UserError(f'--launcher {cfg.launcher} needs GPUs; without them use pytorch')
    if 'RANK' not in os.environ:
        raise UserError('--launcher pytorch is for torchrun: use tools/dist_train.sh')
    torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )


class FirstStep(Hook):
    """Knows whether the run has done its first iteration."""

    def __init__(self) -> None:
        self.is_done = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        self.is_done = True


@contextmanager
def no_traces_of_a_failed_start(work_dir: Path) -> Iterator[FirstStep]:
    """Remove what a run has put into ``work_dir`` if it fails before its first iteration."""
    missing = [folder for folder in (work_dir, *work_dir.parents) if not folder.exists()]
    before = set() if missing else set(work_dir.iterdir())
    first_step = FirstStep()
    try:
        yield first_step
    except BaseException:
        if not first_step.is_done and work_dir.exists():
            for path in [missing[-1]] if missing else set(work_dir.iterdir()) - before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
