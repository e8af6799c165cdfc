from collections.abc import Iterator

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader

import hrnet_mm.compat  # noqa: F401  (the fixes run before a test imports a host)


@pytest.fixture(autouse=True)
def _same_start_for_every_test() -> Iterator[None]:
    """One seed, and nothing that the test before left behind: default scope, checkpoint readers."""
    torch.manual_seed(0)
    readers = CheckpointLoader._schemes
    CheckpointLoader._schemes = readers.copy()
    yield
    CheckpointLoader._schemes = readers
    DefaultScope._instance_dict.clear()
