"""Running a config: the hosts' Runner, on CPU too, leaving nothing behind when it cannot start."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner

from hrnet_mm.base.config import check_paths, name_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.training.faults import explain_data_errors
from hrnet_mm.training.replace_model import ReplaceModelHook
from hrnet_mm.training.resume import prepare_resume
from hrnet_mm.training.start import FirstStep, StartingRunner, held, work_folder
from hrnet_mm.training.without_gpus import DistributedWithoutGPUs
from hrnet_mm.weights.checkpoint import FillsModel
from hrnet_mm.weights.pretrained import AnyWeightsHook
from hrnet_mm.weights.read import read_checkpoint
from hrnet_mm.weights.sources import is_local, use_our_readers

SAFETY_HOOKS = (
    'hrnet_mm.DataFaultsHook',
    'hrnet_mm.ExactResumeHook',
    'hrnet_mm.FiniteCheckHook',
    'hrnet_mm.InterruptHook',
    'hrnet_mm.OverdueEvaluationHook',
)
# The variable in which each launcher gives a process its number.
RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


def train(cfg: Config) -> Runner:
    """Train, evaluating on the way, as the config says.

    Raises:
        UserError: data or a checkpoint is absent or unreadable; or another training is at work in
            the work folder.
    """
    phases = training_phases(cfg)
    check_paths(cfg, phases)
    lose_no_work(cfg)
    folder, is_first = Path(cfg.work_dir), prepare_processes(cfg)
    with work_folder(folder, is_first), held(folder, is_first) as notes:
        if cfg.get('resume'):
            notes += prepare_resume(cfg)
        if cfg.get('load_from') and not cfg.get('resume'):
            check_checkpoint(cfg.load_from)

        def job(runner: Runner) -> None:
            for note in notes:
                runner.logger.warning(note)
            runner.train()

        return run(cfg, phases, job, [AnyWeightsHook()])


def training_phases(cfg: Config) -> tuple[str, ...]:
    """Whose data a training reads."""
    return ('train',) if cfg.get('val_dataloader') is None else ('train', 'val')


def test(cfg: Config, weights: FillsModel) -> dict[str, float]:
    """Evaluate the model of a config on the test data and return the metrics.

    Args:
        cfg: the config.
        weights: what fills the model.

    Raises:
        UserError: data or the checkpoint is absent or unreadable.
    """
    check_paths(cfg, ('test',))
    metrics: dict[str, float] = {}
    add_hooks(cfg, 'hrnet_mm.DataFaultsHook')

    def job(runner: Runner) -> None:
        metrics.update(runner.test())

    hooks: list[Hook] = []
    cfg.load_from = weights.load_from
    if weights.load_from is not None:
        check_checkpoint(weights.load_from)
        hooks.append(AnyWeightsHook(whole=True))
    if weights.replaces_model:
        hooks.append(ReplaceModelHook(weights.replacement))
    with work_folder(Path(cfg.work_dir), prepare_processes(cfg)):
        run(cfg, ('test',), job, hooks)
    return metrics


def run(
    cfg: Config,
    phases: tuple[str, ...],
    job: Callable[[Runner], object],
    hooks: Sequence[Hook],
) -> Runner:
    """Do a job with a Runner, which leaves nothing if it fails before its first iteration."""
    use_our_readers()
    first_step = FirstStep()
    with explain_data_errors(cfg, phases, lambda: first_step.is_done):
        runner = StartingRunner.from_cfg(cfg)
        try:
            runner.register_hook(first_step, priority='HIGHEST')
            for hook in hooks:
                runner.register_hook(hook)
            job(runner)
        except BaseException as error:
            if not first_step.is_done:
                runner.remove_traces()
            if isinstance(error, SystemExit):  # InterruptHook's, in all processes
                leave_process_group()
            raise
    leave_process_group()
    return runner


def leave_process_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # else a process may abort while it exits


def check_checkpoint(path: str) -> None:
    if is_local(path):
        read_checkpoint(path)


def lose_no_work(cfg: Config) -> None:
    """Add the hooks that save safely and resume exactly, where the config has not got them."""
    add_hooks(cfg, *SAFETY_HOOKS)
    checkpoint = cfg.setdefault('default_hooks', ConfigDict()).setdefault(
        'checkpoint', ConfigDict(type='CheckpointHook', interval=1)
    )
    if checkpoint is not None and name_of(checkpoint) == 'CheckpointHook':
        checkpoint.type = 'hrnet_mm.SafeCheckpointHook'


def add_hooks(cfg: Config, *names: str) -> None:
    hooks = list(cfg.get('custom_hooks') or [])
    present = {name_of(hook) for hook in hooks}
    new = [dict(type=name) for name in names if name.rpartition('.')[2] not in present]
    cfg.custom_hooks = hooks + new


def prepare_processes(cfg: Config) -> bool:
    """Let several processes train without a GPU, which MMEngine's launcher does not foresee.

    Returns:
        Whether this is the first process of the run.
    """
    launcher = cfg.get('launcher', 'none')
    is_first = int(os.environ.get(RANKS[launcher], '0')) == 0 if launcher in RANKS else True
    if launcher == 'none' or torch.cuda.is_available():
        return is_first
    if launcher != 'pytorch':
        raise UserError(f'--launcher {launcher} needs GPUs; without them use pytorch')
    if 'RANK' not in os.environ:
        raise UserError('--launcher pytorch is for torchrun: use tools/dist_train.sh')
    torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type=DistributedWithoutGPUs.__name__,
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    return is_first
