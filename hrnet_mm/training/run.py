"""Running a config: the hosts' Runner, on CPU too, leaving nothing behind when it cannot start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner

from hrnet_mm.base.config import check_paths, name_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.garbage import uncollected
from hrnet_mm.base.given import is_local
from hrnet_mm.training.faults import explanation
from hrnet_mm.training.folder_lock import locked_folder
from hrnet_mm.training.processes import leave_process_group, prepare_processes
from hrnet_mm.training.replace_model import ReplaceModelHook
from hrnet_mm.training.resume import prepare_resume
from hrnet_mm.training.start import StartingRunner, work_folder
from hrnet_mm.weights.checkpoint import FillsModel
from hrnet_mm.weights.pretrained import AnyWeightsHook
from hrnet_mm.weights.read import read_checkpoint
from hrnet_mm.weights.sources import use_our_readers

SAFETY_HOOKS = (
    'hrnet_mm.DataFaultsHook',
    'hrnet_mm.ExactResumeHook',
    'hrnet_mm.FiniteCheckHook',
    'hrnet_mm.InterruptHook',
    'hrnet_mm.OverdueEvaluationHook',
)
Result = TypeVar('Result')


def train(cfg: Config, keep_length: bool = False) -> Runner:
    """Train, evaluating on the way, as the config says.

    Args:
        cfg: the config.
        keep_length: whether a training that is resumed must be as long as the config says.

    Raises:
        UserError: data or a checkpoint is absent or unreadable; or another training is at work in
            the work folder.
    """
    phases = training_phases(cfg)
    check_paths(cfg, phases)
    add_safety_hooks(cfg)
    folder, is_first = Path(cfg.work_dir), prepare_processes(cfg)
    with work_folder(folder, is_first), locked_folder(folder, is_first) as notes:
        if cfg.get('resume'):
            notes += prepare_resume(cfg, keep_length)
        if cfg.get('load_from') and not cfg.get('resume'):
            check_checkpoint(cfg.load_from)

        def train_with_notes(runner: Runner) -> Runner:
            for note in notes:
                runner.logger.warning(note)
            runner.train()
            return runner

        return run(cfg, phases, train_with_notes, [AnyWeightsHook()])


def training_phases(cfg: Config) -> tuple[str, ...]:
    """The phases whose data a training reads."""
    return ('train',) if cfg.get('val_dataloader') is None else ('train', 'val')


def test(cfg: Config, weights: FillsModel, hooks: Sequence[Hook] = ()) -> dict[str, float]:
    """Evaluate the model of a config on the test data and return the metrics.

    Args:
        cfg: the config.
        weights: what fills the model.
        hooks: those that the Runner has beside the config's and the test's own.

    Raises:
        UserError: data or the checkpoint is absent or unreadable.
    """
    check_paths(cfg, ('test',))
    add_hooks(cfg, 'hrnet_mm.DataFaultsHook')
    hooks = list(hooks)
    cfg.load_from = weights.load_from
    if weights.load_from is not None:
        check_checkpoint(weights.load_from)
        hooks.append(AnyWeightsHook(whole=True))
    if weights.replaces_model:
        hooks.append(ReplaceModelHook(weights.replacement))
    with work_folder(Path(cfg.work_dir), prepare_processes(cfg)):
        return run(cfg, ('test',), Runner.test, hooks)


def run(
    cfg: Config,
    phases: tuple[str, ...],
    action: Callable[[Runner], Result],
    hooks: Sequence[Hook],
) -> Result:
    """Call a Runner, which leaves no files if it fails before its first iteration is done.

    Args:
        cfg: the config.
        phases: those whose datasets are read, for example ``('test',)``.
        action: what the Runner does, for example ``Runner.test``.
        hooks: those that the Runner has beside the config's.

    Raises:
        UserError: in place of an error that the data explain.
    """
    use_our_readers()
    runner = None
    try:
        with uncollected():
            runner = StartingRunner.from_cfg(cfg)
        for hook in hooks:
            runner.register_hook(hook)
        result = action(runner)
    except BaseException as error:
        has_begun = runner is not None and runner.has_begun
        if runner is not None and not has_begun:
            runner.remove_traces()
        if isinstance(error, SystemExit):  # InterruptHook's, in all processes
            leave_process_group()
        if isinstance(error, Exception) and (
            sentence := explanation(error, cfg, phases, has_begun)
        ):
            raise UserError(sentence) from error
        raise
    leave_process_group()
    return result


def check_checkpoint(path: str) -> None:
    """Read a checkpoint of this machine once, so that a broken one is named before the run."""
    if is_local(path):
        read_checkpoint(path)


def add_safety_hooks(cfg: Config) -> None:
    """Add the hooks that save safely and resume exactly, where the config has not got them."""
    add_hooks(cfg, *SAFETY_HOOKS)
    checkpoint = cfg.setdefault('default_hooks', ConfigDict()).setdefault(
        'checkpoint', ConfigDict(type='CheckpointHook', interval=1)
    )
    if checkpoint is not None and name_of(checkpoint) == 'CheckpointHook':
        checkpoint.type = 'hrnet_mm.SafeCheckpointHook'


def add_hooks(cfg: Config, *names: str) -> None:
    """Add hooks by their names, without options, where the config has no hook of that name."""
    hooks = list(cfg.get('custom_hooks') or [])
    present = {name_of(hook) for hook in hooks}
    new = [dict(type=name) for name in names if name.rpartition('.')[2] not in present]
    cfg.custom_hooks = hooks + new
