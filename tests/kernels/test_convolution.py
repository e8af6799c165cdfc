"""Convolutions by the kernels: PyTorch's numbers for any size and batch, and PyTorch where
the kernels do not fit."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hrnet_mm.kernels import convolution, tiles
from tests.helpers import needs_float16, needs_torch, relative_difference
from tests.kernels import emulation
from tests.kernels.layers import (
    assert_close,
    channels_last,
    native_conv,
    plain,
    results,
    skip_without,
)

pytestmark = pytest.mark.usefixtures('every_instruction_set')

SIZES = [(1, 1), (2, 5), (13, 7), (24, 18)]


@pytest.mark.parametrize('tile', [2, 4])
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('channels', [(16, 16), (48, 80), (128, 32)])
def test_gradients_of_a_3x3_convolution(
    channels: tuple[int, int],
    size: tuple[int, int],
    batch: int,
    tile: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiles, 'training_tile', lambda _: tile)
    conv = native_conv(*channels)
    x = channels_last(batch, channels[0], *size)
    assert_close(results(conv, x), results(plain(conv), x.double()), 1e-5)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('channels', [(16, 48), (80, 16)])
def test_gradients_of_a_1x1_convolution(channels: tuple[int, int], size: tuple[int, int]) -> None:
    conv = native_conv(*channels, kernel=1)
    x = channels_last(2, channels[0], *size)
    assert_close(results(conv, x), results(plain(conv), x.double()), 1e-5)


@pytest.mark.parametrize(
    'x',
    [
        torch.randn(2, 16, 9, 8),
        channels_last(2, 16, 9, 8).double(),
        channels_last(2, 16, 9, 16)[..., ::2],
        channels_last(0, 16, 9, 8),
    ],
    ids=['contiguous', 'float64', 'gaps', 'empty'],
)
def test_what_the_kernels_do_not_take_is_computed_by_pytorch(
    x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = native_conv(16, 32).to(x.dtype)
    monkeypatch.setattr(convolution, 'convolve', None)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight, padding=1))


@needs_torch('2.6', 'what compiles into a convolution of our own')
def test_compiled_and_traced_code_has_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = native_conv(16, 32), channels_last(2, 16, 9, 8)
    expected = conv(x)
    monkeypatch.setattr(convolution, 'convolve', None)
    compiled = torch.compile(conv, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(torch.jit.trace(conv, x, check_trace=False)(x), expected)


@pytest.mark.parametrize(
    ('channels', 'size', 'tile'), [(16, (4, 4), 2), (128, (18, 16), 2), (32, (36, 32), 4)]
)
def test_autocast_rounds_about_as_much_as_pytorchs(
    channels: int, size: tuple[int, int], tile: int
) -> None:
    skip_without(torch.bfloat16)
    conv, x = native_conv(channels, channels), channels_last(2, channels, *size).bfloat16().float()
    exact = results(plain(conv), x.double())
    with torch.autocast('cpu', torch.bfloat16):
        actual = results(conv, x)
        theirs = F.conv2d(x, conv.weight, padding=1).double()
    assert actual[0].dtype == torch.bfloat16
    assert actual[2].dtype == torch.float32  # of the filters
    assert_close(actual, exact, 3e-2)
    if tile == 2:
        expected = emulation.convolve(x, conv.weight.detach(), None, tile)
        assert relative_difference(actual[0].double(), expected) < 4e-3  # half of its last digit
    ours, error = ((y.double() - exact[0]).norm() for y in (actual[0], theirs))
    assert ours < 2 * error


@needs_float16
def test_autocast_to_float16_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = native_conv(16, 32), channels_last(1, 16, 8, 8)
    monkeypatch.setattr(convolution, 'convolve', None)
    with torch.autocast('cpu', torch.float16):
        assert conv(x).dtype == torch.float16


def test_second_derivatives_are_refused_in_a_sentence() -> None:
    conv, x = native_conv(16, 16), channels_last(1, 16, 8, 8).requires_grad_()
    (dx,) = torch.autograd.grad(conv(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='trying to differentiate twice'):
        dx.sum().backward()


def test_only_the_gradients_that_are_needed_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = native_conv(16, 16), channels_last(1, 16, 8, 8)
    y = conv(x)
    monkeypatch.setattr(convolution, 'convolve', None)
    y.sum().backward()  # of the weight alone
    assert conv.weight.grad is not None
    monkeypatch.undo()
    conv.requires_grad_(False)
    monkeypatch.setattr(convolution, 'weight_gradient', None)
    conv(x.requires_grad_()).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(
    ('shape', 'tile'),
    [((4, 32, 64, 48), 4), ((4, 128, 16, 12), 4), ((4, 256, 8, 6), 2), ((16, 256, 8, 6), 4)],
)
def test_the_tile_of_training_is_the_measured_best(shape: tiles.Shape, tile: int) -> None:
    assert tiles.training_tile(shape) == tile
