"""Weights go over to other names and come back as they were."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from hrnet_mm.models import HRNet
from hrnet_mm.weights.convert import convert
from tests.helpers import small_extra
from tests.weights import hosts, official

THERE_AND_BACK = [
    ('mmpose', 'official', 'official-pose'),
    ('mmpose-face', 'official', 'official-face'),
    ('mmseg', 'official', 'official-seg'),
    ('mmseg-ocr', 'official', 'official-ocr'),
    ('mmpretrain', 'timm', 'official-cls'),
    ('mmpretrain', 'timm-ssld', 'timm-ssld'),
    ('mmdet', 'official', 'official-det'),
    ('mmseg', 'hrnet_mm', 'hrnet_mm-seg'),
    ('hrnet_mm-seg', 'official', 'official-seg'),
    ('hrnet_mm-face', 'official', 'official-face'),
    ('hrnet_mm-higherhrnet', 'official', 'official-higherhrnet'),
    ('hrnet_mm-higherhrnet', 'mmpose0-higherhrnet', 'mmpose0-higherhrnet'),
]


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    same = [torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a if key in b]
    return a.keys() == b.keys() and all(same)


@pytest.mark.parametrize('arch', [4, pytest.param('w32', marks=pytest.mark.slow)])
@pytest.mark.parametrize(('host', 'to', 'via'), THERE_AND_BACK)
def test_there_and_back_is_bit_identical(host: str, to: str, via: str, arch: str | int) -> None:
    weights = hosts.filled(hosts.MODELS[host](arch))
    there, first = convert(weights, to)
    back, second = convert(there, host, via)
    assert first.target.layout.name == via
    assert not (first.missing or first.dropped or second.missing or second.dropped)
    assert equal(back, weights)


@pytest.mark.parametrize(
    ('weights', 'to', 'host'),
    [
        (official.pose, 'mmpose', 'mmpose'),
        (official.landmarks, 'mmpose', 'mmpose-face'),
        (official.landmarks, 'hrnet_mm', 'hrnet_mm-face'),
        (official.segmentation, 'mmseg', 'mmseg'),
        (official.segmentation, 'hrnet_mm', 'hrnet_mm-seg'),
        (official.ocr, 'mmseg', 'mmseg-ocr'),
        (official.classification, 'mmpretrain', 'mmpretrain'),
    ],
)
def test_official_weights_are_all_that_a_host_needs(weights, to: str, host: str) -> None:
    """Every published variant's names are those that the constructors give."""
    for arch in ('w18_small_v2', 8):
        converted, report = convert(weights(arch), to)
        with torch.device('meta'):
            wanted = hosts.MODELS[host](arch).state_dict()
        assert converted.keys() == wanted.keys()
        assert all(converted[key].shape == wanted[key].shape for key in wanted)
        assert report.missing == ()
        assert set(report.dropped) <= {'loss.criterion.weight'}


def test_every_key_is_accounted_for() -> None:
    weights = official.segmentation(4) | {'strange.weight': torch.zeros(1)}
    converted, report = convert(weights, 'mmseg')
    assert {*report.mapped, *report.dropped, *report.folded} == {*weights}
    assert {*report.mapped.values(), *report.added} == {*converted}
    assert report.dropped == ('loss.criterion.weight', 'strange.weight')
    assert report.folded == ('model.last_layer.0.bias',)
    assert report.mapped['model.conv1.weight'] == 'backbone.conv1.weight'
    assert report.renamed == report.mapped


def test_between_tasks_only_the_backbone_goes_over() -> None:
    converted, report = convert(official.classification(4), 'mmseg')
    assert all(key.startswith('backbone.') for key in converted)
    assert len(converted) == len(official.backbone(4))
    assert 'classifier.weight' in report.dropped
    assert report.missing == (
        'decode_head.convs.0.conv.*',
        'decode_head.convs.0.bn.*',
        'decode_head.conv_seg.*',
    )


def test_missing_keys_of_the_backbone_are_listed() -> None:
    _, report = convert(official.pose(4), 'mmseg')  # a pose network fuses its finest map only
    assert 'backbone.stage4.0.fuse_layers.3.0.0.0.weight' in report.missing
    assert convert(official.pose(4), 'mmpose')[1].missing == ()


def test_same_project_keeps_names_and_takes_wrappers_off() -> None:
    weights = official.pose(4)
    for prefix in ('', 'module.'):
        converted, report = convert({prefix + k: v for k, v in weights.items()}, 'official')
        assert equal(converted, weights)
        assert len(report.mapped) == len(weights) and not report.dropped


def test_official_segmentation_gets_the_prefix_that_its_tools_cut_off() -> None:
    converted, _ = convert(hosts.MODELS['mmseg'](4).state_dict(), 'official')
    assert all(key.startswith('model.') for key in converted)


def test_ssld_has_no_biases_before_norms() -> None:
    weights = hosts.filled(hosts.MODELS['mmpretrain'](4))
    with_biases, without = (convert(weights, to)[0].keys() for to in ('timm', 'timm-ssld'))
    assert {key for key in with_biases if key not in without} == {
        *(f'downsamp_modules.{i}.0.bias' for i in range(3)),
        'final_layer.0.bias',
    }


@pytest.mark.parametrize('stages', [1, 3])
def test_old_detectors_get_their_background_last(stages: int) -> None:
    weights = official.detection(4, classes=4, stages=stages)
    converted, report = convert(weights, 'mmdet')
    head = '0.' if stages > 1 else ''
    scores = weights[f'bbox_head.{head}fc_cls.weight']
    assert torch.equal(
        converted[f'roi_head.bbox_head.{head}fc_cls.weight'], torch.cat((scores[1:], scores[:1]))
    )
    boxes = weights[f'bbox_head.{head}fc_reg.bias']
    assert torch.equal(
        converted[f'roi_head.bbox_head.{head}fc_reg.bias'], boxes if stages > 1 else boxes[4:]
    )
    masks = weights[f'mask_head.{head}conv_logits.weight']
    assert torch.equal(converted[f'roi_head.mask_head.{head}conv_logits.weight'], masks[1:])
    assert report.dropped == report.missing == ()
    assert equal(convert(convert(converted, 'official')[0], 'mmdet')[0], converted)


def test_unknown_targets_are_refused_with_what_there_is() -> None:
    weights = HRNet(extra=small_extra(4)).state_dict()
    with pytest.raises(ValueError, match="'torch' is no family or layout.*known are mmpose, mmdet"):
        convert(weights, 'torch')
    with pytest.raises(ValueError, match="'mine' is no family"):
        convert(weights, 'mmpose', 'mine')


@pytest.mark.parametrize(
    'name', ['convert.convert', 'sources.use_our_readers', 'pretrained.Pretrained']
)
def test_names_that_the_docs_once_showed_still_import(name: str) -> None:
    module, _, attribute = name.partition('.')
    old, new = (
        importlib.import_module(f'hrnet_mm.{room}.{module}') for room in ('checkpoints', 'weights')
    )
    assert getattr(old, attribute) is getattr(new, attribute)
