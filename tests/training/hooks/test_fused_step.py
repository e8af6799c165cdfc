"""A step in one pass is the optimizer's own, whatever the order in memory, and leaves no option."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from hrnet_mm.training.hooks.channels_last import lay_out_moments
from hrnet_mm.training.hooks.fused_step import FUSING_TORCH, fuse_steps
from tests.helpers import needs_torch

pytestmark = needs_torch(FUSING_TORCH, 'the fused steps')
OPTIMIZERS = [
    (Adam, dict(amsgrad=True)),
    (AdamW, dict(weight_decay=0.1)),
    (SGD, dict(momentum=0.9, nesterov=True)),
    (SGD, dict()),
]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1), nn.Conv2d(5, 1, 3)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def weights_after_steps(
    kind: type[Optimizer], options: dict[str, Any], fuses: bool, state: dict | None = None
) -> tuple[list[Tensor], dict]:
    model = net()
    optimizer = kind(model.parameters(), lr=0.01, **options)
    if state is not None:
        optimizer.load_state_dict(deepcopy(state))
    if fuses:
        assert fuse_steps([optimizer]) == [optimizer]
    for seed in range(3):
        torch.manual_seed(seed)
        for p in list(model.parameters())[1:]:  # the first has no gradient, as frozen ones
            p.grad = torch.randn(p.shape)  # not channels-last
        optimizer.step()
    return list(model.parameters()), optimizer.state_dict()


@pytest.mark.parametrize(('kind', 'options'), OPTIMIZERS, ids=str)
def test_the_weights_are_those_of_plain_steps(kind: type[Optimizer], options: dict) -> None:
    expected, state = weights_after_steps(kind, options, fuses=False)
    actual, fused_state = weights_after_steps(kind, options, fuses=True)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)
    assert fused_state['param_groups'] == state['param_groups']
    # On from moments that are not channels-last, as a training without --fast leaves them.
    for values in state['state'].values():
        for name, value in values.items():
            values[name] = value.contiguous() if isinstance(value, Tensor) else value
    expected, _ = weights_after_steps(kind, options, False, state)
    actual, _ = weights_after_steps(kind, options, True, state)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('kind', ['late', 'closure', 'sparse', 'not dense', 'late closure'])
def test_what_no_fused_step_can_do_is_a_plain_one(kind: str) -> None:
    results = []
    for fuses in (False, True):
        memory = torch.ones(20)
        weights = [nn.Parameter(torch.ones(4, 3, 2, 2)) for _ in range(2)]
        weights[0].data = weights[0].to(memory_format=torch.channels_last)
        optimizer = SGD(weights, lr=0.1, momentum=0.9, dampening=0.5)
        if fuses:
            assert fuse_steps([optimizer]) == [optimizer]
        if kind == 'not dense':
            optimizer.add_param_group(dict(params=[nn.Parameter(memory[::2])]))
        for step in range(3):
            torch.manual_seed(step)

            def closure(optimizer: SGD = optimizer) -> float:
                for group in optimizer.param_groups:
                    for p in group['params']:
                        p.grad = torch.randn(p.shape)
                if kind.startswith('late') and step == 0:  # noqa: B023
                    weights[1].grad = None  # noqa: B023
                if kind == 'sparse':
                    weights[1].grad = weights[1].grad.to_sparse()  # noqa: B023
                return 0.0

            if 'closure' in kind:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
        results.append([*weights, memory])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_a_step_that_fails_leaves_no_option_in_the_state() -> None:
    (weight,) = weights = [nn.Parameter(torch.ones(3))]
    optimizer = Adam(weights)
    fuse_steps([optimizer])
    weight.grad = torch.ones(3)
    optimizer.step()
    optimizer.state[weight]['exp_avg'] = None
    with pytest.raises(TypeError):
        optimizer.step()
    assert optimizer.state_dict()['param_groups'][0]['fused'] is None


def test_moments_follow_the_weights_where_the_user_has_chosen_fused_steps() -> None:
    """Resumed with another order of the weights, from either side."""
    _, state = weights_after_steps(Adam, dict(), fuses=False)  # of channels-last weights
    results = []
    for fused in (False, True):
        model = net()
        optimizer = Adam(model.parameters(), lr=0.01, fused=fused)
        optimizer.load_state_dict(deepcopy(state))
        for values in optimizer.state.values():
            values['exp_avg'] = values['exp_avg'].contiguous()
        lay_out_moments([optimizer])
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        results.append(list(model.parameters()))
        saved = optimizer.state_dict()['state'].values()
        assert all(value.is_contiguous() for values in saved for value in values.values())
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    'optimizer',
    [
        lambda p: Adam(p, foreach=True),
        lambda p: AdamW(p, fused=False),
        lambda p: SGD(p, lr=0.1, differentiable=True),
        lambda p: RMSprop(p),
        lambda p: type('Own', (Adam,), {})(p),
        lambda p: Adam([nn.Parameter(x.double()) for x in p]),
    ],
    ids=['chosen', 'refused', 'differentiable', 'none', 'subclass', 'float64'],
)
def test_another_step_stays_as_it_is(optimizer: Any) -> None:
    made = optimizer(list(net().parameters()))
    assert fuse_steps([made]) == []
    assert not made._optimizer_step_pre_hooks
