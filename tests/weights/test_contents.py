"""The weights are found in whatever a training script wraps around them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.contents import weights_of

ONE, TWO = ({'conv1.weight': torch.full((1,), value)} for value in (1.0, 2.0))


@pytest.mark.parametrize(
    'checkpoint',
    [
        ONE,
        {'state_dict': ONE, 'optimizer': {'state': {0: TWO}}, 'epoch': 3},
        {'model': ONE, 'lr': 0.1},
        {'model_state_dict': ONE, 'optimizer_state_dict': TWO},
        {'model_state': ONE},
        {'model': 'pose_hrnet', 'state_dict': ONE, 'best_state_dict': TWO},  # leoxiaobin's
        {'state_dict': ONE, 'hyper_parameters': {}, 'pytorch-lightning_version': '2.0'},
        {'state_dict': ONE, 'ema_state_dict': {'steps': torch.tensor(3), **TWO}},  # mmengine's
        {'state_dict': TWO, 'state_dict_ema': ONE, 'arch': 'hrnet_w18'},  # timm's
        {'ema_state_dict': ONE},
        {'state_dict': None, 'ema': ONE},
    ],
)
def test_the_weights_are_found(checkpoint: dict) -> None:
    assert torch.equal(weights_of(checkpoint, 'x.pth')['conv1.weight'], ONE['conv1.weight'])


def test_an_entry_can_be_chosen() -> None:
    checkpoint = {'state_dict': ONE, 'best_state_dict': TWO}
    assert weights_of(checkpoint, 'x.pth', 'best_state_dict') is TWO
    with pytest.raises(UserError, match=r"x\.pth has no entry 'ema'; it has state_dict, best_"):
        weights_of(checkpoint, 'x.pth', 'ema')


def test_only_tensors_are_weights() -> None:
    assert list(weights_of({'state_dict': {**ONE, 'steps': 3, 4: TWO}}, 'x.pth')) == [
        'conv1.weight'
    ]


def test_compiled_parts_have_their_own_names() -> None:
    weights = {'_orig_mod.backbone._orig_mod.conv1.weight': torch.ones(1)}
    assert list(weights_of(weights, 'x.pth')) == ['backbone.conv1.weight']


def test_a_whole_model_gives_its_weights() -> None:
    assert set(weights_of({'state_dict': nn.Linear(2, 2)}, 'x.pth')) == {'weight', 'bias'}


@pytest.mark.parametrize('checkpoint', [{}, {'state_dict': 3}, {'model': {}, 'epoch': 1}])
def test_no_weights_are_told_so(checkpoint: dict) -> None:
    with pytest.raises(UserError, match=r'x\.pth does not hold the weights of a model'):
        weights_of(checkpoint, 'x.pth')


class Wrapper(torch.Tensor):
    pass


def emptied() -> torch.Tensor:
    weight = torch.ones(3)
    weight.untyped_storage().resize_(4)
    return weight


@pytest.mark.parametrize(
    ('weight', 'fault'),
    [
        (torch.ones(2, device='meta'), 'a meta tensor, which has no values'),
        (torch.ones(2, 2).to_sparse(), 'a sparse tensor'),
        (torch.ones(2, 2).to_sparse_csr(), 'a sparse tensor'),
        (torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), 'a quantized tensor'),
        (torch.nested.nested_tensor([torch.ones(2)]), 'a nested tensor'),
        (torch.ones(2).as_subclass(Wrapper), 'a tensor of the class Wrapper'),
        (nn.UninitializedParameter(), 'a tensor of the class UninitializedParameter'),
        (torch.ones(2, dtype=torch.complex64), 'a complex tensor'),
        (emptied(), 'a tensor whose storage is too small for its shape'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_tensors_that_are_no_weights_are_told_so(weight: torch.Tensor, fault: str) -> None:
    """A file that is trusted, or a model in it, may hold any."""
    with pytest.raises(UserError, match=rf'x\.pth: conv2\.weight is {fault}; weights are dense'):
        weights_of({'state_dict': {**ONE, 'conv2.weight': weight}}, 'x.pth')


def test_a_model_on_meta_has_no_weights() -> None:
    with pytest.raises(UserError, match='weight is a meta tensor'):
        weights_of({'model': nn.Linear(2, 2, device='meta')}, 'x.pth')


@pytest.mark.parametrize(
    'weight',
    [
        torch.full((2,), float('nan')),
        torch.ones(1).expand(5),
        torch.ones(4, 3).t()[1:],
        torch.zeros(0, 3),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.bool),
        nn.Parameter(torch.ones(2)),
    ],
)
def test_any_dense_tensor_is_a_weight(weight: torch.Tensor) -> None:
    assert weights_of({'conv1.weight': weight}, 'x.pth')['conv1.weight'] is weight
