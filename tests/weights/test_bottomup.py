"""HigherHRNet's and DEKR's weights: recognised, converted both ways, and of the same network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.convert import convert
from hrnet_mm.weights.convert_file import convert_file
from hrnet_mm.weights.fit import fit, fit_whole, load_weights
from hrnet_mm.weights.read import read_checkpoint
from hrnet_mm.weights.recognise import recognise
from tests.helpers import equal, relative_difference
from tests.weights import hosts, official_bottomup

IMAGE = torch.rand(1, 3, 64, 96, dtype=torch.float64)
MATRIX = re.compile(r'transform_matrix_conv\.bias$')


def doubled(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: w.double() if w.is_floating_point() else w for key, w in weights.items()}


@torch.no_grad()
def output_of(net: nn.Module, weights: dict[str, Tensor]) -> tuple[Tensor, ...]:
    net.load_state_dict(fit_whole(weights, net, 'x.pth'), strict=False)
    net = net.double().eval()
    return tuple(net.head(net.extract_feat(IMAGE)))


@pytest.mark.parametrize('hrnet', ['HRNet', hosts.OURS])
def test_official_dekr_computes_the_same_in_mmposes_head(hrnet: str) -> None:
    weights = official_bottomup.dekr(8, joints=5)
    expected = official_bottomup.run_dekr(doubled(weights), IMAGE)
    actual = output_of(hosts.dekr(8, hrnet, joints=5), weights)
    for a, b in zip(actual, expected, strict=True):
        assert relative_difference(a, b) <= 1e-6


def test_dekr_comes_back_from_mmpose() -> None:
    """Bit for bit, but for the matrices' biases, from which the identity is taken and put back."""
    weights = official_bottomup.dekr(4, joints=5)
    there, first = convert(weights, 'mmpose')
    back, second = convert(there, 'official')
    assert first.target.layout.name == 'mmpose-dekr' and second.source == first.target
    assert not (first.dropped or first.missing or second.dropped or second.missing)
    assert {*first.mapped} == {*weights} and {*first.mapped.values()} == {*there}
    assert {*second.mapped} == {*there} and {*second.mapped.values()} <= {*back}
    for key in [key for key in weights if MATRIX.search(key)]:
        torch.testing.assert_close(back.pop(key), weights.pop(key), rtol=0, atol=1e-6)
    assert equal(back, weights)


def test_mmposes_dekr_comes_back_from_the_official_names() -> None:
    weights = hosts.filled(hosts.dekr(4))
    for key in [key for key in weights if key.endswith('regular_matrix')]:
        weights[key] = torch.cat((official_bottomup.regular_grid(), torch.ones(1, 9)))
    back, _ = convert(convert(weights, 'official')[0], 'mmpose')
    for key in [key for key in weights if MATRIX.search(key)]:
        torch.testing.assert_close(back.pop(key), weights.pop(key), rtol=0, atol=1e-6)
    assert equal(back, weights)


@pytest.mark.parametrize('host', ['mmpose-dekr', 'mmpose-cid'])
def test_a_head_that_says_no_version_is_not_taken_for_an_old_one(host: str, tmp_path: Path) -> None:
    """mmpose would reorder the heatmaps of such a DEKR, and find nothing of such a CID."""
    source, converted, tensors = (tmp_path / f'{x}' for x in ('a.pth', 'b.pth', 'c.safetensors'))
    weights = hosts.filled(hosts.MODELS[host](4))
    torch.save(dict(state_dict=dict(weights)), source)
    for out in (converted, tensors):
        convert_file(str(source), out, 'mmpose')
    net = hosts.MODELS[host](4)
    load_checkpoint(net, str(converted))
    assert equal(net.state_dict(), weights)
    for path in (source, tensors):
        net = hosts.MODELS[host](4)
        load_weights(net, read_checkpoint(path), path)
        assert equal(net.state_dict(), weights)


def test_a_dekr_without_a_keypoints_layer_is_refused() -> None:
    weights = official_bottomup.dekr(4, joints=5)
    del weights['offset_feature_layers.3.1.adapt_conv.weight']
    with pytest.raises(UserError, match=r'x\.pth is no complete DEKR: .*adapt_conv\.weight of key'):
        convert(weights, 'mmpose', where='x.pth')


def test_a_dekr_of_other_keypoints_does_not_fit() -> None:
    net = hosts.dekr(4, joints=5)
    weights = official_bottomup.dekr(4, joints=6)
    assert all(key.startswith('head.') for key in fit(weights, net, 'x.pth').misfits)
    with pytest.raises(UserError, match=r'x\.pth does not fit the config: size mismatch for head'):
        fit_whole(weights, net, 'x.pth')


@pytest.mark.parametrize('wrapped', [dict, official_bottomup.half])
def test_official_higherhrnet_computes_the_same_in_our_head(wrapped) -> None:
    weights = wrapped(official_bottomup.higher(8, joints=5))
    plain = {key.removeprefix('1.'): weight for key, weight in doubled(weights).items()}
    actual = output_of(hosts.higher(8, joints=5), weights)
    for a, b in zip(actual, official_bottomup.run_higher(plain, IMAGE), strict=True):
        assert relative_difference(a, b) <= 1e-6


def test_a_higherhrnet_that_lies_is_refused(tmp_path: Path) -> None:
    net, weights = hosts.higher(4, joints=5), official_bottomup.higher(4, joints=5)
    for key, message in (
        ('final_layers.1.weight', r'mismatch for head\.final_layers\.1\.weight, 14x4x1x1 in the f'),
        ('deconv_layers.0.0.0.weight', 'mismatch for head.deconv_layers.0.0.0.weight, 14x4x1x1'),
    ):
        lying = weights | {key: torch.ones(14, 4, 1, 1)}
        with pytest.raises(UserError, match=message):
            fit_whole(lying, net, 'x.pth')
        torch.save(lying, tmp_path / 'x.pth')
        with pytest.raises(UserError, match='the weights fit no Assembled'):
            convert_file(str(tmp_path / 'x.pth'), tmp_path / 'y.pth', 'hrnet_mm', size=64)
    headless = {key: w for key, w in weights.items() if not key.startswith('final_layers.1.')}
    with pytest.raises(UserError, match=r'2 of \d+ weights are missing, the first is head'):
        fit_whole(headless, net, 'x.pth')
    assert convert(headless, 'hrnet_mm')[1].missing == ('head.final_layers.1.*',)


def test_half_precision_training_puts_its_wrapper_before_every_key() -> None:
    naming = recognise(official_bottomup.half(official_bottomup.higher(4)))
    assert (naming.layout.name, naming.prefix) == ('official-higherhrnet', '1.')


def test_associative_embedding_goes_over_to_mmposes_head() -> None:
    weights = official_bottomup.embedding(4)
    converted, report = convert(weights, 'mmpose')
    assert converted['head.final_layer.weight'] is weights['final_layers.0.weight']
    assert not (report.dropped or report.missing)
    assert equal(convert(converted, 'official-ae')[0], weights)
