"""Which HRNet it is can be told from the shapes of its weights."""

from __future__ import annotations

import pytest
import torch

from hrnet_mm.base.errors import UserError
from hrnet_mm.models import ARCHS, HRNet
from hrnet_mm.weights.width import backbone_of, check_same_width, name_of, stages_of
from tests.helpers import small_extra


@pytest.mark.parametrize('arch', ARCHS)
def test_published_variants_are_told_by_their_names(arch: str) -> None:
    with torch.device('meta'):
        stages = stages_of(HRNet(arch).state_dict())
    assert stages == ARCHS[arch].stages()
    assert name_of(stages) == arch


def test_other_networks_are_told_by_their_sizes() -> None:
    with torch.device('meta'):
        any_width = stages_of(HRNet(24).state_dict())
        small = stages_of(HRNet(extra=small_extra(8)).state_dict())
    assert name_of(any_width) == 'w24'
    assert '1 x 1, 1 basic blocks of 8, 16 channels' in name_of(small)


def test_other_width_is_told_with_both_names() -> None:
    w48, w32 = (ARCHS[arch].stages() for arch in ('w48', 'w32'))
    with pytest.raises(UserError, match=r'^x\.pth: this is a w48, the config builds a w32$'):
        check_same_width(w48, w32, 'x.pth')
    check_same_width(w48, w48)


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
