from collections.abc import Iterator

import pytest
import torch
from mmengine.registry import DefaultScope

import hrnet_mm.compat  # noqa: F401  (the fixes run before a test imports a host)


@pytest.fixture(autouse=True)
def _same_start_for_every_test() -> Iterator[None]:
    """One seed, and no default scope that a host left behind for the next test."""
    torch.manual_seed(0)
    yield
    DefaultScope._instance_dict.clear()
