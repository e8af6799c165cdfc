"""The evaluation that a run was killed before or during."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from hrnet_mm.base.files import write_whole
from hrnet_mm.registry import HOOKS
from hrnet_mm.training.hooks.training_id import id_of

# A file in the work folder: the ID of the training, and after how many iterations it was evaluated.
EVALUATED = 'last_evaluation'


@HOOKS.register_module()
class OverdueEvaluationHook(Hook):
    """Evaluates first where a run resumes between a checkpoint and its evaluation.

    MMEngine saves before it evaluates, and a resumed run goes straight on to train. A run that
    ended amid the evaluation would have one fewer, and its best checkpoint might be missing; amid
    the last one, it would end without any metric.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.OverdueEvaluationHook')]
    """

    priority = 'LOWEST'  # when the other hooks are prepared for an evaluation

    def __init__(self) -> None:
        self.is_amid_epoch = False
        self.has_begun = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.is_amid_epoch = bool(checkpoint.get('meta', {}).get('position', {}).get('trained'))

    def before_train(self, runner: Runner) -> None:
        if runner.val_loop is None or not self.is_due(runner):
            return
        done = [evaluated(runner) == runner.iter]
        broadcast_object_list(done)
        if not done[0]:
            runner.logger.info(f'The evaluation after iteration {runner.iter} is still to be done.')
            runner.val_loop.run()

    def after_train_iter(self, runner: Runner, **kwargs: Any) -> None:
        if not self.has_begun and is_main_process() and evaluated(runner) > runner.iter:
            # Resumed from an earlier checkpoint, it comes to that evaluation again.
            (Path(runner.work_dir) / EVALUATED).unlink()
        self.has_begun = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if is_main_process():
            mark = f'{id_of(runner)} {runner.iter}'
            write_whole(Path(runner.work_dir) / EVALUATED, mark.encode())

    def is_due(self, runner: Runner) -> bool:
        """Whether MMEngine's loop evaluates at this point before it goes on."""
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop) and not self.is_amid_epoch:
            done, last = loop.epoch, loop.max_epochs
        elif isinstance(loop, IterBasedTrainLoop):
            done, last = loop.iter, loop.max_iters
        else:
            return False
        loop._decide_current_val_interval()  # it may change on the way
        return done >= max(loop.val_begin, 1) and (done % loop.val_interval == 0 or done == last)


def evaluated(runner: Runner) -> int:
    """After how many iterations this training was last evaluated; -1 if it never was."""
    path = Path(runner.work_dir) / EVALUATED
    training, _, number = path.read_text().partition(' ') if path.is_file() else ('', '', '')
    return int(number) if training == id_of(runner) and number.isdigit() else -1
