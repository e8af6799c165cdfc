"""The evaluation that is still to be done, as the run was killed before it or during it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from hrnet_mm.base.files import write_whole
from hrnet_mm.registry import HOOKS
from hrnet_mm.training.hooks.training_id import training_id

# A file in the work folder: the ID of the training and the iterations before its last evaluation.
EVALUATED = 'last_evaluation'


@HOOKS.register_module()
class OverdueEvaluationHook(Hook):
    """Evaluates first where a run resumes between a checkpoint and its evaluation.

    MMEngine saves before it evaluates, and a resumed run goes straight on to train. A run that was
    killed amid an evaluation would have one evaluation fewer, and its best checkpoint might be
    missing; after the last evaluation it would have no metric at all.

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
        done = [last_evaluation(runner) == runner.iter]
        broadcast_object_list(done)
        if not done[0]:
            runner.logger.info(f'The evaluation after iteration {runner.iter} is still to be done.')
            runner.val_loop.run()

    def after_train_iter(self, runner: Runner, **kwargs: Any) -> None:
        if not self.has_begun and is_main_process() and last_evaluation(runner) > runner.iter:
            # Resumed from an earlier checkpoint, it comes to that evaluation again.
            (Path(runner.work_dir) / EVALUATED).unlink()
        self.has_begun = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if is_main_process():
            text = f'{training_id(runner)} {runner.iter}'
            write_whole(Path(runner.work_dir) / EVALUATED, text.encode())

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


def last_evaluation(runner: Runner) -> int:
    """After how many iterations this training was last evaluated; -1 if it never was."""
    path = Path(runner.work_dir) / EVALUATED
    evaluated_id, _, number = path.read_text().partition(' ') if path.is_file() else ('', '', '')
    return int(number) if evaluated_id == training_id(runner) and number.isdigit() else -1
