"""Checkpoints that no kill, crash or full disk can cost."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from hrnet_mm.folder_lock import hold, hold_for_all, release
from hrnet_mm.hooks.whole_files import WHOLE_FILES, remove_leftovers, write_whole
from hrnet_mm.registry import HOOKS

POINTER = 'last_checkpoint'  # the name that MMEngine reads
INTERRUPTED = 'interrupted.pth'


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, with the same options, that always leaves a whole checkpoint.

    MMEngine writes into the file itself, and removes the old checkpoint before it writes the new
    one. Here a checkpoint and ``last_checkpoint`` take their names when they are complete and on
    the disk, the pointer after what it points to, and the old ones go last. Until the training ends
    no other training may save in the same folder. Checkpoints that go to another storage than local
    files are left to MMEngine.

    Raises:
        UserError: another training is at work in the folder.

    Example:
        >>> default_hooks = dict(checkpoint=dict(type='hrnet_mm.SafeCheckpointHook', interval=5))
    """

    def before_train(self, runner: Runner) -> None:
        folder = self.out_dir or runner.work_dir
        self.is_local = (
            self.file_client_args is None
            and type(get_file_backend(folder, backend_args=self.backend_args)) is LocalBackend
        )
        if self.is_local:
            self.backend_args = dict(backend=WHOLE_FILES)
        super().before_train(runner)
        if runner.iter > 0:
            # Saved again with the best score when it is evaluated only after it was resumed.
            self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        if self.is_local:
            is_held = hold_for_all(Path(self.out_dir), is_main_process())
            if is_held and is_main_process():
                remove_leftovers(Path(self.out_dir))

    def after_train(self, runner: Runner) -> None:
        super().after_train(runner)
        if self.is_local:
            release(Path(self.out_dir))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        if not self.is_local:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        outdated = self._keep(runner, step)
        folder = Path(self.out_dir)
        if is_main_process():
            with suppress(OSError):  # which saving will tell
                folder.mkdir(parents=True, exist_ok=True)
            hold(folder)  # where it was not there before
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

    def _keep(self, runner: Runner, step: int) -> list[Path]:
        """Count a step among the kept ones; the checkpoints that are then too many."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return []
        steps = [*self.keep_ckpt_ids, step]
        outdated = steps[: -self.max_keep_ckpts]
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return [Path(self.out_dir) / self.filename_tmpl.format(old) for old in outdated]

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        if not self.is_local:
            super()._save_best_checkpoint(runner, metrics)
            return
        backend, self.file_backend = self.file_backend, RemovalsNoted()
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            removals, self.file_backend = self.file_backend.removals, backend
        hub = runner.message_hub.runtime_info
        best = {path for key, path in hub.items() if key.startswith('best_ckpt')}
        for path in removals - best:
            backend.remove(path)


class RemovalsNoted(LocalBackend):
    """Notes which files are to be removed, for the time when the new ones are complete."""

    def __init__(self) -> None:
        self.removals: set[str] = set()

    def remove(self, filepath: str | Path) -> None:
        self.removals.add(str(filepath))


def save_interrupted(runner: Runner, iterations: int) -> Path:
    """Save all that ``iterations`` steps have made, between the regular checkpoints.

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
