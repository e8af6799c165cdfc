"""``with_cp='norm'`` with our kernels: less memory, the same bits, no convolution twice."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from benchmark.memory import allocated
from hrnet_mm.kernels import convolution, library
from hrnet_mm.kernels.recompute import NormRecorder
from hrnet_mm.models import HRNet
from tests.helpers import needs_cp_of_norms
from tests.kernels.layers import (
    channels_last,
    loss_of,
    native,
    native_norm,
    skip_without,
    small_hrnet,
)

pytestmark = pytest.mark.skipif(library.find_compiler() is None, reason='needs a C++ compiler')


def nets(**options: Any) -> list[nn.Module]:
    """Alike, but that the second computes norms again."""
    return [small_hrnet(16, with_cp=with_cp, **options) for with_cp in (False, 'norm')]


@needs_cp_of_norms
@pytest.mark.parametrize('precision', [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize('options', [{}, dict(norm_eval=True), dict(frozen_stages=2)], ids=str)
def test_gradients_and_statistics_are_the_same_bits(
    options: dict[str, Any], precision: torch.dtype
) -> None:
    skip_without(precision)
    plain, saving = nets(**options)
    for net in (plain, saving):
        net.train()
        for _ in range(2):
            with torch.autocast('cpu', enabled=precision == torch.bfloat16):
                loss = loss_of(net)
            loss.backward()
    for a, b in zip(saving.parameters(), plain.parameters(), strict=True):
        assert (a.grad is None and b.grad is None) or torch.equal(a.grad, b.grad)
    for a, b in zip(saving.buffers(), plain.buffers(), strict=True):
        assert torch.equal(a, b)


@needs_cp_of_norms
def test_fewer_maps_are_kept_and_none_after_the_backward_pass() -> None:
    plain, saving = (native(HRNet(16, with_cp=with_cp)) for with_cp in (False, 'norm'))
    every, fewer = (allocated(lambda net=net: loss_of(net)).kept for net in (plain, saving))
    assert fewer < 0.7 * every
    loss_of(saving).backward()
    held: list[Tensor] = []

    def step() -> None:
        held.append(loss_of(saving))  # as a training loop does until the next step
        held[-1].backward()

    assert allocated(step).kept < 0.01 * every


@needs_cp_of_norms
def test_no_convolution_runs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []
    for net in nets():
        convolve = Mock(wraps=convolution.convolve)
        with monkeypatch.context() as patch:
            patch.setattr(convolution, 'convolve', convolve)
            loss_of(net).backward()
        numbers.append(convolve.call_count)
    assert numbers[0] == numbers[1] > 0


@needs_cp_of_norms
def test_a_graph_can_be_gone_through_twice() -> None:
    net = small_hrnet(16, with_cp='norm')
    loss, weights = loss_of(net), list(net.parameters())
    first = torch.autograd.grad(loss, weights, retain_graph=True)
    second = torch.autograd.grad(loss, weights)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_map_is_known_by_its_memory_only_while_it_lives() -> None:
    norm, x = native_norm(16), channels_last(1, 16, 8, 8).requires_grad_()
    with NormRecorder(last=nn.Identity()) as maps:
        y = norm(x, relu=True)
        assert torch.equal(maps.recipes[y.data_ptr()].map, y)
        part = y[:, :, :4]
        assert maps._keep(y) is not y and maps._keep(part) is part
        del y, part
        assert not maps.recipes
