"""Memory is counted exactly where it can be."""

import gc
import subprocess
import sys

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from benchmark.memory import Allocated, allocated


def test_counts_what_the_backward_pass_needs_once() -> None:
    # Layers that keep their input, as convolutions do, but take no memory to work in.
    net = nn.Sequential(nn.Hardsigmoid(), nn.ReLU(), nn.Hardsigmoid(), nn.ReLU(inplace=True))
    image = torch.randn(2, 8, 16, 16, requires_grad=True)
    # The first layer's map lives until the ReLU after it is done. The image is not counted.
    small = image.nbytes
    assert allocated(lambda: net(image)) == Allocated(peak=2 * small, kept=2 * small)
    with torch.no_grad():
        assert allocated(lambda: net(image)) == Allocated(peak=2 * small, kept=small)


def test_counts_what_a_checkpoint_holds() -> None:
    net, image = nn.BatchNorm2d(4).eval(), torch.randn(1, 4, 8, 8, requires_grad=True)

    def forward() -> torch.Tensor:
        options = dict(use_reentrant=False, preserve_rng_state=False)
        return checkpoint(lambda x: net(net(x)), image * 2, **options)

    own = allocated(forward).kept - 2 * image.nbytes  # beside its input and its result
    assert 0 <= own < 64


def test_garbage_of_an_earlier_count_is_not_taken_off_a_later_one() -> None:
    """Cycles are freed at any time, as by chance during the later one."""

    def in_a_cycle() -> list[object]:
        cycle: list[object] = [torch.ones(1000)]
        cycle.append(cycle)
        return cycle

    def collected() -> torch.Tensor:
        gc.collect()
        return torch.ones(10)

    gc.disable()
    try:
        assert allocated(in_a_cycle).kept == 4000
        assert allocated(collected).kept == 40
    finally:
        gc.enable()


ALONE = """
import torch
from benchmark.memory import PeakMemory

MB = 2**20
memory = PeakMemory('cpu')
memory.reset()
before = memory.now()
torch.ones(64 * MB // 4).sum()
assert memory.peak() - before > 48 * MB
assert memory.now() - before < 32 * MB
"""


def test_the_peak_is_seen_after_the_memory_is_free_again() -> None:
    """In a process of its own: what tests before freed may be used again, or kept."""
    done = subprocess.run([sys.executable, '-c', ALONE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
