"""Networks trained by the kernels: the same as PyTorch's."""

from statistics import median

import pytest
import torch
from torch import nn

from hrnet_mm.deploy.fused.folding import fold
from hrnet_mm.kernels import library
from tests.helpers import needs_cp_of_norms
from tests.kernels.layers import (
    channels_last,
    gradients,
    loss_of,
    native_conv,
    small_hrnet,
)

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')


def test_gradients_of_a_network_are_as_exact_as_pytorchs() -> None:
    """Whose own rounding errors grow from layer to layer."""
    exact = gradients(small_hrnet(16, by_kernels=False).double())

    def error(net: nn.Module) -> float:
        pairs = zip(gradients(net), exact, strict=True)
        return median((a - e).norm().item() / e.norm().item() for a, e in pairs)

    assert error(small_hrnet(16)) < 2 * error(small_hrnet(16, by_kernels=False))


@pytest.mark.parametrize(
    'with_cp', [False, True, pytest.param('norm', marks=needs_cp_of_norms), 'module']
)
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


def test_a_trained_network_can_be_fused() -> None:
    conv, norm = native_conv(16, 16), nn.BatchNorm2d(16).eval()
    fused, rest = fold(conv, norm)
    x = channels_last(1, 16, 9, 8)
    assert rest is None
    torch.testing.assert_close(fused(x), norm(conv(x)), rtol=1e-4, atol=1e-5)
