"""Batch norm by the kernels: PyTorch's numbers."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.helpers import relative_difference
from tests.kernels.layers import (
    assert_close,
    channels_last,
    native_norm,
    plain,
    results,
    skip_without,
)

pytestmark = pytest.mark.usefixtures('every_instruction_set')


@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)], ids=str
)
@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('adds', [False, True])
@pytest.mark.parametrize('size', [(1, 2), (13, 7), (40, 36)])
@pytest.mark.parametrize('channels', [16, 80])
def test_gradients_and_statistics_of_a_batch_norm(
    channels: int,
    size: tuple[int, int],
    adds: bool,
    relu: bool,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    skip_without(dtype)
    norm = native_norm(channels)
    reference = NormOf(plain(norm))
    maps = [channels_last(2, channels, *size).to(dtype) for _ in range(1 + adds)]
    actual = results(norm, *maps, relu=relu)
    assert_close(actual, results(reference, *(x.double() for x in maps), relu=relu), tolerance)
    assert actual[0].dtype == dtype
    assert_same_statistics(norm, reference.norm)


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    norm = native_norm(16)
    reference = plain(norm)
    x = channels_last(2, 16, 30, 30) + 1000
    assert relative_difference(norm(x).double(), reference(x.double())) < 1e-4
    assert_same_statistics(norm, reference)


class NormOf(nn.Module):
    """A plain norm with the sum and the ReLU of the native one."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor, *shortcut: Tensor, relu: bool) -> Tensor:
        y = sum(shortcut, self.norm(x))
        return F.relu(y) if relu else y


def assert_same_statistics(norm: nn.BatchNorm2d, reference: nn.BatchNorm2d) -> None:
    for name in ('running_mean', 'running_var'):
        actual, expected = getattr(norm, name).double(), getattr(reference, name)
        assert relative_difference(actual, expected) < 1e-5
    assert norm.num_batches_tracked == reference.num_batches_tracked == 1
