"""A training that SIGTERM or Ctrl-C stops saves a checkpoint before it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.sharedctypes import RawValue
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any

import torch
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch import nn

from hrnet_mm.registry import HOOKS
from hrnet_mm.training.hooks.safe_checkpoint import save_interrupted
from hrnet_mm.training.model_parts import optim_wrappers

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ONE_SIGNAL = 1.0  # seconds; a launcher and the system's scheduler may both send the same one


@HOOKS.register_module()
class InterruptHook(Hook):
    """On SIGTERM or Ctrl-C finishes the iteration, saves a checkpoint, and exits with 128 + signal.

    The checkpoint is ``interrupted.pth`` in the work folder, named by ``last_checkpoint``, so that
    resuming loses nothing; with :class:`~hrnet_mm.training.hooks.ExactResumeHook` the run goes
    on with the next batch as if it had not been interrupted. Where gradients are accumulated over
    iterations, the last of these is awaited. A second signal leaves at once. An evaluation is left
    unfinished.

    Args:
        interval: after how many iterations the processes of one training ask each other whether
            one of them has received a signal.

    Raises:
        SystemExit: with code 130 for Ctrl-C and 143 for SIGTERM.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.InterruptHook')]
    """

    priority = 'LOWEST'  # when all other hooks have done their part of the iteration

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.request: StopRequest | None = None
        self.group: torch.distributed.ProcessGroup | None = None
        self.sums_before: list[float] = []  # sums of the weights before an evaluation

    def before_train(self, runner: Runner) -> None:
        if threading.current_thread() is threading.main_thread():  # as Python demands
            self.request = StopRequest(announce if is_main_process() else None)
            self.request.listen()
        for loop in (runner.train_loop, runner.val_loop):
            if loop is not None:
                worker_init = loop.dataloader.worker_init_fn
                loop.dataloader.worker_init_fn = ResilientWorker(worker_init)
        # A group of its own: the default one may be NCCL's, which would wait for the GPU.
        if is_distributed():
            self.group = torch.distributed.new_group(backend='gloo')

    def after_train_iter(self, runner: Runner, **kwargs: Any) -> None:
        iterations = runner.iter + 1
        if is_distributed() and iterations % self.interval:
            return
        if all(x.should_update() for x in optim_wrappers(runner)):  # no gradients are kept back
            self._leave_if_asked(runner, iterations)

    def before_val(self, runner: Runner) -> None:
        self.sums_before = sums_of(runner.model)

    def after_val_iter(self, runner: Runner, **kwargs: Any) -> None:
        if not is_distributed():  # processes may have different numbers of batches
            self._leave_if_asked(runner, runner.iter, is_evaluating=True)

    def after_train(self, runner: Runner) -> None:
        if self.request is not None:
            self.request.ignore()

    def _leave_if_asked(self, runner: Runner, iterations: int, is_evaluating: bool = False) -> None:
        signum = self._signal()
        if not signum:
            return
        stopped = f'Stopped by {signal.Signals(signum).name} after iteration {iterations}'
        if is_evaluating and not self._put_back_trained_weights(runner):
            runner.logger.warning(
                f'{stopped}, which is not saved: a hook has put other weights in the place of '
                'those that are trained, for the evaluation. --resume goes on from the last '
                'checkpoint.'
            )
        else:
            path = save_interrupted(runner, iterations)
            runner.logger.info(f'{stopped}, which {path} holds; --resume goes on from there.')
        self.after_train(runner)
        raise SystemExit(128 + signum)

    def _put_back_trained_weights(self, runner: Runner) -> bool:
        """Undo EMAHook's exchange for an evaluation; whether the trained weights are back."""
        for hook in runner.hooks:
            if isinstance(hook, EMAHook) and sums_of(runner.model) != self.sums_before:
                hook._swap_ema_parameters()
        return sums_of(runner.model) == self.sums_before

    def _signal(self) -> int:
        """The signal that this process, or any of them, has received; 0 if none."""
        signum = self.request.signum if self.request is not None else 0
        if self.group is None:
            return signum
        shared = torch.tensor(signum)
        torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX, self.group)
        return int(shared)


def sums_of(model: nn.Module) -> list[float]:
    """The sum of each of a model's parameters, which shows whether they have been exchanged."""
    with torch.no_grad():
        return torch.stack([weight.sum().float() for weight in model.parameters()]).tolist()


class StopRequest:
    """Handles SIGTERM and SIGINT: notes the first one; a later one has its usual effect again."""

    def __init__(self, announce: Callable[[int], None] | None = None) -> None:
        self.announce = announce
        self.signum = 0
        self.handlers: dict[int, Any] = {}

    def listen(self) -> None:
        for signum in SIGNALS:
            handler = signal.getsignal(signum)
            if handler is not signal.SIG_IGN:  # a job that a shell started with '&' ignores Ctrl-C
                self.handlers[signum] = handler
                signal.signal(signum, self)

    def ignore(self) -> None:
        """Give the signals their usual effect."""
        for signum, handler in self.handlers.items():
            signal.signal(signum, handler)
        self.handlers = {}

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.signum:
            self.signum, self.since = signum, now
            if self.announce is not None:
                self.announce(signum)
        elif now - self.since > ONE_SIGNAL:
            self.ignore()
            os.kill(os.getpid(), signum)


class ResilientWorker:
    """Starts a data-loading worker that outlives a signal which reaches all processes.

    Ctrl-C in a terminal, SLURM and torchrun signal the workers too; but the training needs their
    batch to come to the end of its iteration. Only when it exits itself may it terminate them.
    """

    def __init__(self, init: Callable[[int], None] | None) -> None:
        self.init = init
        self.is_leaving = RawValue('b', 0)
        Finalize(None, self.leave, exitpriority=100)  # before multiprocessing ends its children

    def leave(self) -> None:
        self.is_leaving.value = 1

    def __call__(self, worker: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.end_if_leaving)
        if self.init is not None:
            self.init(worker)

    def end_if_leaving(self, signum: int, frame: FrameType | None) -> None:
        if self.is_leaving.value:
            os._exit(0)


def announce(signum: int) -> None:
    """Say on stderr that the signal has come and what happens now."""
    # Not print, which the signal may have interrupted.
    text = f'\n{signal.Signals(signum).name}: finishing this iteration, then saving; '
    with suppress(OSError):  # nobody reads it
        os.write(2, f'{text}a second signal leaves at once\n'.encode())
