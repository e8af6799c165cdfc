import pytest
import torch

import hrnet_mm.compat  # noqa: F401  (the fixes run before a test imports a host)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
