"""Weights are recognised by their keys alone, and the HRNet by their shapes."""

from __future__ import annotations

import pytest
import timm
import torch

from hrnet_mm.base.errors import UserError
from hrnet_mm.models import ARCHS, HRNet
from hrnet_mm.weights.recognise import (
    arch_name,
    backbone_of,
    recognise,
    stages_of,
)
from tests.helpers import small_extra
from tests.weights import hosts, official, official_bottomup

FILES = official.FILES | official_bottomup.FILES


@pytest.mark.parametrize('layout', FILES)
def test_official_layouts(layout: str) -> None:
    assert recognise(FILES[layout](4)).layout.name == layout


@pytest.mark.parametrize('layout', hosts.MODELS)
def test_hosts_models(layout: str) -> None:
    assert recognise(hosts.MODELS[layout](4).state_dict()).layout.name == layout


@pytest.mark.parametrize('name', ['hrnet_w18_small', 'hrnet_w18_ssld'])
def test_timm(name: str) -> None:
    with torch.device('meta'):
        assert 'timm' in recognise(timm.create_model(name).state_dict()).layout.families
        features = timm.create_model(name, features_only=True).state_dict()
    assert 'timm' in recognise(features).layout.families


def test_old_mmpose_and_mmdet() -> None:
    pose = hosts.MODELS['mmpose'](4).state_dict()
    assert (
        recognise([key.replace('head.', 'keypoint_head.') for key in pose]).layout.name == 'mmpose0'
    )
    det = [
        key.replace('neck.reduction_conv.0', 'neck.reduction_conv.conv')
        for key in official.detection(4)
    ]
    assert recognise(det).layout.name == 'mmdet1'


def test_backbone_alone() -> None:
    keys = HRNet(extra=small_extra(4)).state_dict()
    assert recognise(keys).layout.name == 'backbone'
    assert recognise([f'encoder.{key}' for key in keys]).backbone == 'encoder.'


@pytest.mark.parametrize('wrapper', ['module.', 'model.', 'module.model.', '_orig_mod.', 'net.'])
def test_wrappers_are_seen_through(wrapper: str) -> None:
    for keys in (official.pose(4), hosts.MODELS['mmseg'](4).state_dict()):
        plain, wrapped = recognise(keys), recognise([wrapper + key for key in keys])
        assert (wrapped.layout, wrapped.prefix) == (plain.layout, wrapper)


def test_official_network_inside_a_backbone_attribute_is_seen() -> None:
    naming = recognise([f'backbone.{key}' for key in official.pose(4)])
    assert (naming.layout.name, naming.prefix) == ('official-pose', 'backbone.')


def test_no_hrnet_is_told_so() -> None:
    with pytest.raises(UserError, match=r'x\.pth holds no HRNet; its first keys are: fc\.weight'):
        recognise(['fc.weight'], 'x.pth')
    with pytest.raises(UserError, match='its first keys are: none'):
        recognise([])


def test_two_hrnets_are_told_by_what_their_keys_begin_with() -> None:
    keys = [f'{who}.{key}' for who in ('student', 'teacher') for key in official.pose(4)]
    with pytest.raises(UserError, match=r"2 HRNets, .*'student\.', 'teacher\.': choose one"):
        recognise(keys)


@pytest.mark.parametrize('arch', ARCHS)
def test_published_variants_are_told_by_their_names(arch: str) -> None:
    with torch.device('meta'):
        stages = stages_of(HRNet(arch).state_dict())
    assert stages == ARCHS[arch].stages()
    assert arch_name(stages) == arch


def test_other_networks_are_told_by_their_sizes() -> None:
    with torch.device('meta'):
        any_width = stages_of(HRNet(24).state_dict())
        small = stages_of(HRNet(extra=small_extra(8)).state_dict())
    assert arch_name(any_width) == 'w24'
    assert '1 x 1, 1 basic blocks of 8, 16 channels' in arch_name(small)


def test_part_of_an_hrnet_is_told_by_what_is_missing() -> None:
    weights = HRNet(extra=small_extra(4)).state_dict()
    del weights['layer1.0.conv3.weight'], weights['layer1.0.conv2.weight']
    with pytest.raises(UserError, match=r'x\.pth is no complete HRNet: .*layer1\.0\.conv2'):
        stages_of(weights, 'x.pth')
    with pytest.raises(UserError, match='is no complete HRNet'):
        stages_of({key: w for key, w in weights.items() if not key.startswith('stage3')})


def test_backbone_is_taken_out_of_a_model() -> None:
    weights = {'model.backbone.conv1.weight': 1, 'model.backbone.head.weight': 2, 'conv1.bias': 3}
    assert backbone_of(weights, 'model.backbone.') == {'conv1.weight': 1}
