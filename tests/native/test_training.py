"""Networks trained by the kernels: the same as PyTorch's, on any number of threads."""

from collections.abc import Iterator
from statistics import median

import pytest
import torch
from torch import nn

from hrnet_mm.deploy.folding import fold
from hrnet_mm.models import HRNet
from hrnet_mm.native import library
from hrnet_mm.native.batch_norm import NativeBatchNorm2d
from hrnet_mm.native.convolution import NativeConv2d
from hrnet_mm.native.training import NativeBasicBlock, NativeBottleneck, use_native_training
from tests.native.layers import (
    channels_last,
    gradients,
    loss_of,
    native_conv,
    results,
    skip_without,
    small_block,
    small_hrnet,
)
from tests.peers import small_extra

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')


@pytest.fixture(autouse=True)
def _threads_given_back() -> Iterator[None]:
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize('precision', [torch.float32, torch.bfloat16], ids=str)
def test_bits_depend_on_no_run_and_no_number_of_threads(precision: torch.dtype) -> None:
    skip_without(precision)
    block = small_block(64)
    x = channels_last(3, 64, 30, 22).to(precision)
    runs = []
    for threads in (1, 1, 2, 3):
        torch.set_num_threads(threads)
        with torch.autocast('cpu', enabled=precision == torch.bfloat16):
            runs.append(results(block, x))
    assert type(block) is NativeBasicBlock
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_gradients_of_a_network_are_as_exact_as_pytorchs() -> None:
    """Whose own rounding errors grow from layer to layer."""
    exact = gradients(small_hrnet(16, by_kernels=False).double())

    def error(net: nn.Module) -> float:
        pairs = zip(gradients(net), exact, strict=True)
        return median((a - e).norm().item() / e.norm().item() for a, e in pairs)

    assert error(small_hrnet(16)) < 2 * error(small_hrnet(16, by_kernels=False))


@pytest.mark.parametrize('with_cp', [False, True, 'norm', 'module'])
def test_a_trained_network_is_the_same(with_cp: bool | str) -> None:
    nets = small_hrnet(16, by_kernels=False), small_hrnet(16, with_cp=with_cp)
    losses: list[list[float]] = []
    for net in nets:
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
        losses.append([])
        for _ in range(3):
            loss = loss_of(net)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0][2] < 0.95 * losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    expected, actual = (net.state_dict() for net in nets)
    assert actual.keys() == expected.keys()
    for name, tensor in actual.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-4)


def test_every_layer_that_fits_changes_its_class() -> None:
    net = small_hrnet(16)
    assert type(net.layer1[0]) is NativeBottleneck
    kinds = {type(module) for module in net.modules()}
    assert {NativeConv2d, NativeBatchNorm2d, NativeBasicBlock, nn.Conv2d} <= kinds
    left = [m for m in net.modules() if type(m) is nn.Conv2d]
    assert all(conv.stride == (2, 2) for conv in left)


def test_channels_of_broken_vectors_stay_as_they_are() -> None:
    net = HRNet(extra=small_extra(18))
    use_native_training(net)
    assert type(net.stage2[0].branches[0][0].conv1) is nn.Conv2d
    assert type(net.layer1[0].conv2) is NativeConv2d


def test_a_trained_network_can_be_fused() -> None:
    conv, norm = native_conv(16, 16), nn.BatchNorm2d(16).eval()
    fused, rest = fold(conv, norm)
    x = channels_last(1, 16, 9, 8)
    assert rest is None
    torch.testing.assert_close(fused(x), norm(conv(x)), rtol=1e-4, atol=1e-5)
