"""What a program keeps in memory: exactly for autograd, as a peak for everything."""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

STATUS = Path('/proc/self/status')
CLEAR = Path('/proc/self/clear_refs')


def saved_bytes(net: nn.Module, forward: Callable[[], object]) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters and buffers aside.

    Tensors that share their memory count once. The number does not depend on the machine's load.
    """
    own = {_address(tensor) for tensor in (*net.parameters(), *net.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        address = _address(tensor)
        if address not in own:
            kept[address] = tensor.untyped_storage().nbytes()
        # Without its history, which would make the graph hold itself for ever. The tensor lives
        # until the graph dies, so that no address is given away twice.
        return tensor.detach()

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


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
