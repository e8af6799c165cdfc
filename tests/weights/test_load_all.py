from pathlib import Path

import pytest
import torch
from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.load_all import load_weights


def test_weights_are_loaded_from_every_form() -> None:
    source = nn.Linear(2, 3)
    weights = source.state_dict()
    wrapped = {f'module.{name}': weight for name, weight in weights.items()}
    for contents in (weights, {'state_dict': weights, 'meta': {}}, {'state_dict': wrapped}):
        model = nn.Linear(2, 3)
        load_weights(model, contents, Path('x.pth'))
        assert torch.equal(model.weight, source.weight)


def test_checkpoint_without_weights_is_told_so() -> None:
    with pytest.raises(UserError, match=r'x\.pth does not hold the weights of a model'):
        load_weights(nn.Linear(2, 3), {'state_dict': 3}, Path('x.pth'))


def test_weights_of_another_model_are_told_by_name() -> None:
    with pytest.raises(UserError, match='size mismatch for weight.*1 such'):
        load_weights(nn.Linear(2, 3), nn.Linear(5, 3).state_dict(), Path('x.pth'))
    with pytest.raises(UserError, match='1 of 2 weights are missing, the first is bias'):
        load_weights(nn.Linear(2, 3), nn.Linear(2, 3, bias=False).state_dict(), Path('x.pth'))


def test_weights_that_are_nan_are_told_by_name() -> None:
    weights = nn.Linear(2, 3).state_dict()
    weights['bias'].fill_(float('nan'))
    with pytest.raises(UserError, match=r'x\.pth holds broken weights: bias is NaN \(1 such\)'):
        load_weights(nn.Linear(2, 3), weights, Path('x.pth'))


def test_modules_learn_which_version_of_them_wrote_the_weights() -> None:
    class Versioned(nn.Linear):
        _version = 2

        def _load_from_state_dict(self, state_dict: dict, prefix: str, meta: dict, *rest) -> None:
            self.read = meta.get('version')
            super()._load_from_state_dict(state_dict, prefix, meta, *rest)

    model = Versioned(2, 3)
    load_weights(model, {'state_dict': Versioned(2, 3).state_dict()}, Path('x.pth'))
    assert model.read == 2
