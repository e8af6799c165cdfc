import hrnet_mm.compat  # noqa: F401  (before any host is imported)
import pytest
import torch


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
