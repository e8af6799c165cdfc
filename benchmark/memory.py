"""What a program keeps in memory: exactly what PyTorch allocates, and the peak of the process."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

STATUS = Path('/proc/self/status')
CLEAR = Path('/proc/self/clear_refs')


@dataclass(frozen=True)
class Allocated:
    """Bytes that PyTorch allocated during a call, above what there was before.

    Attributes:
        peak: the most at any time.
        kept: at the end, while the result is held: after a forward pass, its graph.
    """

    peak: int
    kept: int


def allocated(call: Callable[[], object], device: str = 'cpu') -> Allocated:
    """Count the memory of a call, that in which convolutions work included.

    On a CPU the numbers do not depend on the machine's load.
    """
    if torch.device(device).type == 'cuda':
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        result = call()
        kept = torch.cuda.memory_allocated()
        del result
        return Allocated(torch.cuda.max_memory_allocated() - before, kept - before)
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # else the profiler writes to the screen
    gc.collect()  # what an earlier count saw allocated would be taken off this one when it is freed
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = call()
    del result
    events = profiler.profiler.kineto_results.events()
    changes = sorted((_start_of(e), e.nbytes()) for e in events if e.name() == '[memory]')
    totals = list(itertools.accumulate(num_bytes for _, num_bytes in changes))
    return Allocated(max(totals, default=0), totals[-1] if totals else 0)


def _start_of(event: Any) -> int:
    # torch 2.1 counts in microseconds only.
    return event.start_ns() if hasattr(event, 'start_ns') else event.start_us() * 1000


def step_peak(net: nn.Module, step: Callable[[], object], device: str) -> int:
    """The most bytes that PyTorch holds in a training step: weights, gradients, activations.

    Args:
        net: with gradients, as the step before leaves it.
        step: frees these gradients, runs forward and backward, and updates the weights.
        device: of the network.
    """
    parameters = list(net.parameters())
    gradients = [p.grad for p in parameters if p.grad is not None]
    held = sum(x.nbytes for x in (*parameters, *net.buffers(), *gradients))
    return held + allocated(step, device).peak


class PeakMemory:
    """The peak of this process's memory since it was reset, in bytes.

    On a GPU that is what torch allocated; on a CPU it is what lay in memory, the interpreter and
    all libraries included, and only the peak since the process began where the system cannot
    reset it.
    """

    def __init__(self, device: str) -> None:
        self.is_cuda = torch.device(device).type == 'cuda'

    def now(self) -> int:
        if self.is_cuda:
            return torch.cuda.memory_allocated()
        return _status('VmRSS') or _largest()

    def reset(self) -> None:
        if self.is_cuda:
            torch.cuda.reset_peak_memory_stats()
            return
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # give back what is free, where there is glibc
            CLEAR.write_text('5')
        except (OSError, AttributeError):
            pass  # then it stays the peak since the process began

    def peak(self) -> int:
        if self.is_cuda:
            return torch.cuda.max_memory_allocated()
        return _status('VmHWM') or _largest()


def _status(key: str) -> int:
    if not STATUS.is_file():
        return 0
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next((int(line[1]) * 1024 for line in lines if line[0] == f'{key}:'), 0)


def _largest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
