"""Weights of the same network fit; whatever is wrong with a state dict, it costs a sentence."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.fit import adapt_input, fit, load_weights
from hrnet_mm.weights.pretrained import starting_weights
from tests.weights import hosts, official

MODEL = hosts.pose(4, hosts.OURS)
CONV = torch.randn(8, 3, 3, 3)
FILES = [
    cache(file)
    for file in (official.pose, official.classification, official.ocr, official.detection)
]


def mutated(weights: dict[str, Tensor], draw: random.Random) -> dict[str, Tensor]:
    """Some keys lost, renamed or given a tensor of another shape; most often those that matter."""
    weights = dict(weights)
    telling = [key for key in weights if '.0.conv' in key or '.fc_' in key or 'conv1' in key]
    for key in draw.sample(telling, 3) + draw.sample(list(weights), 3):
        match draw.randrange(4):
            case 0:
                weights.pop(key, None)
            case 1:
                weights[f'{key}x'] = weights.pop(key, torch.zeros(1))
            case 2:
                weights[key] = torch.zeros([draw.randrange(5) for _ in range(draw.randrange(5))])
            case 3:
                weights[key[: draw.randrange(len(key))]] = torch.zeros(2)
    return weights


@pytest.mark.parametrize('seed', range(20))
def test_mutated_weights_are_taken_or_refused_with_a_sentence(seed: int) -> None:
    draw = random.Random(seed)
    for file in FILES:
        with suppress(UserError):
            fitted = starting_weights(mutated(file(4), draw), MODEL, 'x.pth')
            own = MODEL.state_dict()
            assert all(fitted[key].shape == own[key].shape for key in fitted if key in own)


def test_misfit_in_the_backbone_is_no_matter_of_heads() -> None:
    weights = official.pose(4) | {'conv2.weight': torch.zeros(64, 64, 5, 5)}
    with pytest.raises(
        UserError, match=r'backbone\.conv2\.weight is 64x64x5x5 there and 64x64x3x3'
    ):
        starting_weights(weights, MODEL, 'x.pth')


def test_weights_of_the_model_itself_are_left_as_they_are() -> None:
    own = MODEL.state_dict()
    fitted = fit(own, MODEL, 'x.pth')
    assert fitted.weights._metadata == own._metadata and not fitted.report.renamed
    assert all(fitted.weights[key] is own[key] for key in own)


def test_maps_that_the_model_does_not_make_are_left_out() -> None:
    fitted = fit(official.classification(4), MODEL, 'x.pth')
    assert {*fitted.weights} == {key for key in MODEL.state_dict() if key.startswith('backbone.')}


def test_grey_image_gives_what_it_gave_in_colour() -> None:
    grey = torch.rand(1, 1, 9, 9)
    expected = F.conv2d(grey.expand(1, 3, 9, 9), CONV)
    torch.testing.assert_close(F.conv2d(grey, adapt_input(CONV, 1)), expected)


@pytest.mark.parametrize('channels', [2, 4, 6, 7])
def test_more_channels_repeat_the_weights_and_keep_the_scale(channels: int) -> None:
    adapted = adapt_input(CONV, channels)
    assert adapted.shape == (8, channels, 3, 3)
    for i in range(channels):
        torch.testing.assert_close(adapted[:, i], CONV[:, i % 3] * 3 / channels)


def test_grey_weights_serve_colour_images() -> None:
    grey = torch.rand(1, 1, 9, 9)
    weight = adapt_input(CONV[:, :1], 3)
    torch.testing.assert_close(
        F.conv2d(grey.expand(1, 3, 9, 9), weight), F.conv2d(grey, CONV[:, :1])
    )


@pytest.mark.parametrize('dtype', [torch.int8, torch.bool, torch.int64])
def test_integers_in_the_place_of_numbers_are_refused(dtype: torch.dtype) -> None:
    """Copied as they are, the scale of a quantized network would be lost without a word."""
    name = str(dtype).removeprefix('torch.')
    for key, message in (
        ('conv2.weight', f'x.pth: conv2.weight is of {name}, where an HRNet has floating'),
        ('bn1.running_mean', f'backbone.bn1.running_mean is of {name} there and of float32 here'),
    ):
        weights = official.pose(4)
        weights[key] = weights[key].to(dtype)
        with pytest.raises(UserError, match=re.escape(message)):
            fit(weights, MODEL, 'x.pth')
    with pytest.raises(UserError, match=f'weight is of {name} there and of float32 here'):
        fit({'weight': torch.ones(2, 2).to(dtype)}, torch.nn.Linear(2, 2), 'x.pth')


def test_half_precision_and_nan_are_weights() -> None:
    weights = {key: weight * float('nan') for key, weight in official.pose(4).items()}
    assert fit({key: w.bfloat16() for key, w in weights.items()}, MODEL, 'x.pth').misfits == ()


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
