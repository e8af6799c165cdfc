"""Memory that a step frees is there for the next one."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, torch
from hrnet_mm.kernels.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64, 2**18).sum()  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = [faults() for _ in range(3)]
assert keep_freed_memory()
after = [faults() for _ in range(20)]  # some are needed until the heap has its size
print(before[-1], after[-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='mallopt is of glibc')
def test_pages_are_not_fetched_again() -> None:
    done = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after * 10 < before
