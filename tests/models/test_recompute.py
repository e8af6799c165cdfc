"""What the backward pass computes again saves memory and changes no number."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.torch_version import TorchVersion

from benchmark.memory import allocated
from hrnet_mm.base.errors import UserError
from hrnet_mm.models import HRNet
from tests.helpers import loss_of, needs_cp_of_norms

NORM = pytest.param('norm', marks=needs_cp_of_norms)
WITH_CP = [True, 'block', 'branch', 'module', NORM]


@pytest.mark.parametrize('with_cp', WITH_CP)
def test_with_cp_changes_neither_gradients_nor_running_statistics(with_cp: bool | str) -> None:
    plain, saving = HRNet('w18_small'), HRNet('w18_small', with_cp=with_cp)
    saving.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, 64, 64)
    for net in (plain, saving):
        loss_of(net, image).backward()
    for a, b in zip(saving.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    for a, b in zip(saving.buffers(), plain.buffers(), strict=True):
        assert torch.equal(a, b)


def kept(with_cp: bool | str) -> int:
    net, image = HRNet('w18', with_cp=with_cp), torch.randn(2, 3, 128, 128)
    return allocated(lambda: loss_of(net, image)).kept


def test_with_cp_keeps_fewer_activations() -> None:
    every, block, branch, module = map(kept, (False, 'block', 'branch', 'module'))
    assert kept(True) == block
    assert module < branch < block
    assert block < 0.4 * every and module < 0.25 * every


@needs_cp_of_norms
def test_with_cp_norm_keeps_convolutions() -> None:
    assert kept('block') < kept('norm') < 0.75 * kept(False)


@needs_cp_of_norms
def test_with_cp_norm_runs_no_convolution_twice() -> None:
    image = torch.randn(2, 3, 64, 64)

    def convolutions(with_cp: bool | str) -> int:
        net = HRNet('w18_small', with_cp=with_cp)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            loss_of(net, image).backward()
        names = [event.name for event in profiler.events()]
        return sum(name in ('aten::mkldnn_convolution', 'aten::thnn_conv2d') for name in names)

    assert convolutions('norm') == convolutions(False) < convolutions('block')


def test_with_cp_names_its_choices() -> None:
    with pytest.raises(ValueError, match="with_cp='all' must be one of False, True, 'block'"):
        HRNet('w18_small', with_cp='all')


def test_with_cp_norm_names_the_torch_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, '__version__', TorchVersion('2.4.1+cpu'))
    with pytest.raises(UserError, match=r"with_cp='norm' needs torch 2\.5 or newer; this is 2\.4"):
        HRNet('w18_small', with_cp='norm')
