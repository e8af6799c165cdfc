"""Checkpoints that stay whole whatever ends the process: a kill, a crash or a full disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint

from hrnet_mm.base.files import remove_leftovers, write_whole
from hrnet_mm.registry import HOOKS
from hrnet_mm.training.folder_lock import lock, lock_for_all, unlock
from hrnet_mm.training.hooks.training_id import LAST_TRAINING, last_training_in, training_id

POINTER = 'last_checkpoint'  # the name that MMEngine reads
INTERRUPTED = 'interrupted.pth'
# Without prefixes as in coco/AP; the first that is measured is the main one.
MAIN_METRICS = ('segm_mAP', 'bbox_mAP', 'mAP', 'AP', 'Total AP', 'mIoU', 'mDice', 'mFscore')
MAIN_METRICS += ('NME', 'PCKh', 'PCK', 'tPCK', 'AUC', 'EPE', 'top1', 'PQ')
WHOLE_FILES = 'hrnet_mm.whole_files'  # the name of the backend below


@register_backend(WHOLE_FILES, force=True)
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, written whole: ``backend_args=dict(backend=WHOLE_FILES)``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_whole(Path(filepath), obj)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, with the same options, that always leaves a whole checkpoint.

    MMEngine writes into the file itself, and removes the old checkpoint before it writes the new
    one. Here a checkpoint and ``last_checkpoint`` take their names when they are complete and on
    the disk, the pointer after what it points to, and the old ones go last. Until the training ends
    no other training may save in the same folder. Checkpoints that go to another storage than local
    files are left to MMEngine.

    The best checkpoint is kept, too. Which is the best says the task's main metric, see
    :func:`main_metric`, unless ``save_best`` names another or is None.

    Raises:
        UserError: another training is at work in the folder.

    Example:
        >>> default_hooks = dict(checkpoint=dict(type='hrnet_mm.SafeCheckpointHook', interval=5))
    """

    # In the names of metrics, capital or small; MMEngine's do not know those of poses.
    _default_greater_keys: ClassVar[list[str]] = [
        *CheckpointHook._default_greater_keys,
        *('AP', 'AR', 'IoU', 'PCK', 'recall', 'f1-score', 'Fscore'),
    ]
    _default_less_keys: ClassVar[list[str]] = [
        *CheckpointHook._default_less_keys,
        *('EPE', 'MPJPE', 'NME', 'RMSE'),
    ]

    def __init__(
        self, *args: Any, save_best: str | list[str] | None = 'auto', **options: Any
    ) -> None:
        super().__init__(*args, save_best=save_best, **options)

    def before_train(self, runner: Runner) -> None:
        folder = self.out_dir or runner.work_dir
        self.is_local = (
            self.file_client_args is None
            and type(get_file_backend(folder, backend_args=self.backend_args)) is LocalBackend
        )
        if self.is_local:
            self.backend_args = dict(backend=WHOLE_FILES)
            if runner.iter > 0:
                forget_checkpoints_elsewhere(
                    runner, folder_of_checkpoints(runner.work_dir, self.out_dir)
                )
        training_id(runner)  # drawn now, before anything is saved
        self.is_resumed, self.has_begun = runner.iter > 0, False
        super().before_train(runner)
        if runner.iter > 0:
            # MMEngine saves it again as the best one, if it is evaluated only after the resuming.
            self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        if self.is_local:
            is_locked = lock_for_all(Path(self.out_dir), is_main_process())
            if is_locked and is_main_process():
                remove_leftovers(Path(self.out_dir))

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if self.is_local and is_main_process() and not self.has_begun:
            claim_work_folder(runner, self.is_resumed)
        self.has_begun = True
        super().after_train_iter(runner, *args, **kwargs)

    def after_train(self, runner: Runner) -> None:
        super().after_train(runner)
        if self.is_local:
            unlock(Path(self.out_dir))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        if not self.is_local:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        outdated = self._outdated_after(runner, step)
        folder = Path(self.out_dir)
        if is_main_process():
            with suppress(OSError):  # saving the file will raise it again, with its path
                folder.mkdir(parents=True, exist_ok=True)
            lock(folder)  # which could not be locked before it was there
        path = folder / self.filename_tmpl.format(step)
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            path.name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            point_to(path, Path(runner.work_dir))
            for old in (*outdated, Path(runner.work_dir) / INTERRUPTED):
                old.unlink(missing_ok=True)

    def _outdated_after(self, runner: Runner, step: int) -> list[Path]:
        """Count a step among those that are kept, and return the checkpoints that are too many."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return []
        steps = [*self.keep_ckpt_ids, step]
        outdated = steps[: -self.max_keep_ckpts]
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return [Path(self.out_dir) / self.filename_tmpl.format(old) for old in outdated]

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        if self.save_best and 'auto' in self.key_indicators:
            self._choose_metric(runner, metrics)
        if not self.is_local:
            super()._save_best_checkpoint(runner, metrics)
            return
        backend, self.file_backend = self.file_backend, DeferredRemovals()
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            removals, self.file_backend = self.file_backend.removals, backend
        hub = runner.message_hub.runtime_info
        best = {path for key, path in hub.items() if key.startswith('best_ckpt')}
        for path in removals - best:
            backend.remove(path)

    def _choose_metric(self, runner: Runner, metrics: Mapping[str, Any]) -> None:
        """Let the main metric say what the best checkpoint is; without one, none is kept."""
        name = main_metric(metrics)
        try:
            self._init_rule(self.rules, [name])
        except ValueError:
            self.save_best = None
            runner.logger.warning(
                f'No best checkpoint is kept: whether more or less of {name} is better is not '
                'known; write save_best and rule into default_hooks.checkpoint'
            )


class DeferredRemovals(LocalBackend):
    """Notes which files are to be removed, so that they stay until the new ones are complete."""

    def __init__(self) -> None:
        self.removals: set[str] = set()

    def remove(self, filepath: str | Path) -> None:
        self.removals.add(str(filepath))


def main_metric(metrics: Mapping[str, Any]) -> str:
    """The name of the metric that says most of a task, of all that an evaluation has measured.

    For example ``coco/AP`` of people, ``coco/segm_mAP`` of masks and ``mIoU`` of label maps; if
    none is known here, the first, as MMEngine has it.
    """
    last = {name.rpartition('/')[2]: name for name in reversed(metrics)}
    return next((last[known] for known in MAIN_METRICS if known in last), next(iter(metrics)))


def claim_work_folder(runner: Runner, is_resumed: bool) -> None:
    """Note that this training is the last one in its work folder.

    What an earlier training was interrupted with is renamed, as this one might replace it.
    """
    work_dir = Path(runner.work_dir)
    last, this = last_training_in(work_dir), training_id(runner)
    if last == this:
        return
    path = work_dir / INTERRUPTED
    if path.exists() and (last or not is_resumed):
        kept = path.rename(path.with_stem(f'{path.stem}_before_{runner.timestamp}'))
        runner.logger.info(f'The {path.name} of an earlier training is now {kept}.')
    write_whole(work_dir / LAST_TRAINING, this.encode())


def folder_of_checkpoints(work_dir: str | Path, out_dir: str | None) -> Path:
    """Where MMEngine's CheckpointHook with this ``out_dir`` saves."""
    work_dir = Path(work_dir).absolute()
    return work_dir if out_dir in (None, '', str(work_dir)) else Path(out_dir) / work_dir.name


def forget_checkpoints_elsewhere(runner: Runner, folder: Path) -> None:
    """Forget the checkpoints that a resumed training has saved in other folders.

    Else MMEngine's hook would remove the best checkpoint there when it finds a better one, and
    files of the same numbers here, which may be another training's.
    """
    info = runner.message_hub.runtime_info
    source = runner._load_from or find_latest_checkpoint(runner.work_dir) or ''
    is_here = Path(source).resolve().parent in (folder.resolve(), Path(runner.work_dir).resolve())
    if not is_here:
        info.pop('keep_ckpt_ids', None)
    for key in [key for key in info if key.startswith('best_ckpt')]:
        if is_here:  # though the folder may have had another name
            info[key] = str(folder / Path(info[key]).name)
        else:
            del info[key]


def save_interrupted(runner: Runner, iterations: int) -> Path:
    """Save the training as it is after some iterations, between the regular checkpoints.

    The next regular checkpoint of a SafeCheckpointHook removes it.
    """
    path = Path(runner.work_dir) / INTERRUPTED
    meta = dict(epoch=runner.epoch, iter=iterations)
    runner.save_checkpoint(
        runner.work_dir, INTERRUPTED, meta=meta, backend_args=dict(backend=WHOLE_FILES)
    )
    if is_main_process():
        point_to(path, path.parent)
    return path


def point_to(checkpoint: Path, work_dir: Path) -> None:
    """Make ``last_checkpoint`` name a checkpoint."""
    write_whole(work_dir / POINTER, os.fsencode(checkpoint))
