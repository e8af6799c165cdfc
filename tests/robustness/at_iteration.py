"""Hooks that do harm to a run at a known moment."""

import os
import signal
import time

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from hrnet_mm.training.hooks.interrupt import ONE_SIGNAL


@HOOKS.register_module()
class SignalAt(Hook):
    """Sends a process a signal, ``times``, before iteration ``number`` or ``amid`` evaluation."""

    priority = 'VERY_HIGH'

    def __init__(
        self, name: str, number: int, amid: str = 'train', times: int = 1, rank: int = 0
    ) -> None:
        self.signum = signal.Signals[name]
        self.moment = (amid, number)
        self.times = times
        self.rank = rank

    def before_train_iter(self, runner, **kwargs) -> None:
        self.send('train', runner.iter + 1)

    def before_val_iter(self, runner, batch_idx, **kwargs) -> None:
        self.send('val', batch_idx + 1)

    def send(self, amid: str, number: int) -> None:
        if (amid, number) == self.moment and get_rank() == self.rank:
            for _ in range(self.times):
                os.kill(os.getpid(), self.signum)
                time.sleep(1.2 * ONE_SIGNAL if self.times > 1 else 0)


@HOOKS.register_module()
class PoisonAt(Hook):
    """Makes a weight NaN before iteration ``number``, or after it with ``late``."""

    def __init__(self, number: int, late: bool = False) -> None:
        self.number = number
        self.late = late

    def before_train_iter(self, runner, **kwargs) -> None:
        self.poison(runner, late=False)

    def after_train_iter(self, runner, **kwargs) -> None:
        self.poison(runner, late=True)

    def poison(self, runner, late: bool) -> None:
        if (runner.iter + 1, late) == (self.number, self.late):
            runner.model.backbone.conv1.weight.data[0] = float('nan')
