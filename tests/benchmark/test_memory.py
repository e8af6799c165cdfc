"""Memory is counted exactly where it can be."""

import subprocess
import sys

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from hrnet_mm.benchmark.memory import Allocated, allocated


def test_counts_what_the_backward_pass_needs_once() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(inplace=True))
    image = torch.randn(2, 3, 16, 16)
    # The first convolution's map lives until the ReLU after it is done. The image is not counted.
    small = 4 * 2 * 16 * 16 * 8
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


ALONE = """
import torch
from hrnet_mm.benchmark.memory import PeakMemory

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
