"""With converted weights our networks compute what the weights' own networks compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import timm
import torch
from torch import Tensor, nn

from hrnet_mm.models import HRNet
from hrnet_mm.weights.fit import fit
from tests.helpers import randomize, relative_difference, small_extra
from tests.weights import hosts, official

OURS = hosts.OURS


def take_over(net: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Load anyone's weights, all of which the network must need."""
    fitted = fit(weights, net, 'the file')
    missing = net.load_state_dict(dict(fitted.weights), strict=False).missing_keys
    unrun = ('roi_head.bbox_head.shared_fcs', 'roi_head.mask_head')  # not in official.detection
    assert all(key.startswith(unrun) for key in missing) and not fitted.misfits
    return net


def predicted(net: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
    """What a model of a host gives; of a classifier its scores, of a detector its pyramid."""
    if hasattr(net, 'roi_head'):
        return tuple(net.extract_feat(image))
    if hasattr(net, 'decode_head'):
        features = net.extract_feat(image)
        heads = net.decode_head if isinstance(net.decode_head, nn.ModuleList) else [net.decode_head]
        output = heads[0](features)
        for head in heads[1:]:
            output = head(features, output)
        return (output,)
    return (net.head(net.extract_feat(image)),)


@pytest.mark.parametrize('arch', [8, pytest.param('w32', marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ('theirs', 'ours'),
    [
        (hosts.pose, hosts.pose),
        (partial(hosts.pose, upsample='bilinear'), partial(hosts.pose, upsample='bilinear')),
        (hosts.seg, hosts.seg),
        (hosts.seg, partial(hosts.seg, neck=True)),
        (hosts.ocr, hosts.ocr),
        (hosts.cls, hosts.cls),
        (hosts.det, hosts.det),
    ],
    ids=[
        'mmpose',
        'mmpose-bilinear',
        'mmseg',
        'mmseg-to-neck',
        'mmseg-ocr',
        'mmpretrain',
        'mmdet',
    ],
)
@torch.no_grad()
def test_equals_the_hosts(
    theirs: Callable[..., nn.Module], ours: Callable[..., nn.Module], arch: str | int
) -> None:
    there = randomize(theirs(arch))
    here = take_over(ours(arch, hrnet=OURS), there.state_dict())
    image = torch.rand(1, 3, 64, 96)
    for a, b in zip(predicted(here, image), predicted(there, image), strict=True):
        assert relative_difference(a, b) <= 1e-6


@torch.no_grad()
def test_mmpose_landmarks_with_a_bias_before_the_norm() -> None:
    there = randomize(hosts.face(8))
    here = take_over(hosts.face(8, OURS), there.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert relative_difference(*(predicted(net, image)[0] for net in (here, there))) <= 1e-6


@pytest.mark.parametrize('name', ['hrnet_w18_small', 'hrnet_w18_ssld', 'hrnet_w32'])
@pytest.mark.slow
@torch.no_grad()
def test_equals_timm(name: str) -> None:
    there = randomize(timm.create_model(name, num_classes=10)).eval()
    for layer in (*there.downsamp_modules, there.final_layer):
        if layer[0].bias is not None:
            nn.init.normal_(layer[0].bias)
    arch = 'w32' if name == 'hrnet_w32' else name.removeprefix('hrnet_').removesuffix('_ssld')
    here = take_over(hosts.cls(arch, OURS), there.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert relative_difference(predicted(here, image)[0], there(image)) <= 1e-6


@torch.no_grad()
def test_equals_timm_features() -> None:
    there = timm.create_model(
        'hrnet_w18_small', features_only=True, feature_location='', out_indices=(1, 2, 3, 4)
    )
    here = take_over(HRNet('w18_small'), randomize(there).eval().state_dict()).eval()
    image = torch.rand(1, 3, 64, 64)
    for a, b in zip(here(image), there(image), strict=True):
        assert relative_difference(a, b) <= 1e-6


def official_backbone(weights: dict[str, Tensor], prefix: str, upsample: str) -> HRNet:
    """Our backbone with weights named as the official constructors do, without any conversion."""
    net = HRNet(extra=small_extra(8), upsample=upsample).eval()
    own = {key.removeprefix(prefix): weight for key, weight in weights.items()}
    net.load_state_dict({key: own[key] for key in net.state_dict()}, strict=True)
    return net


@torch.no_grad()
def test_equals_official_segmentation_and_landmarks() -> None:
    image = torch.rand(1, 3, 64, 64)
    for weights, head, prefix, nets in (
        (
            official.segmentation(8),
            'model.last_layer',
            'model.',
            (hosts.seg(8, OURS), hosts.seg(8, OURS, neck=True), hosts.seg(8)),
        ),
        (official.landmarks(8), 'head', '', (hosts.face(8, OURS),)),
    ):
        maps = official_backbone(weights, prefix, 'bilinear')(image)
        expected = official.run_fused_head(weights, head, official.concatenated(maps))
        for net in nets:
            [actual] = predicted(take_over(net, weights), image)
            assert relative_difference(actual, expected) <= 1e-6


@torch.no_grad()
def test_equals_official_ocr() -> None:
    """In float64: in float32 the order of its large sums alone makes 2e-6 on some CPUs."""
    weights, image = official.ocr(8), torch.rand(1, 3, 64, 64).double()
    maps = official_backbone(weights, '', 'bilinear').double()(image)
    expected = official.run_ocr({key: weight.double() for key, weight in weights.items()}, maps)
    for net in (hosts.ocr(8, OURS), hosts.ocr(8)):
        [actual] = predicted(take_over(net, weights).double(), image)
        assert relative_difference(actual, expected) <= 1e-6


@torch.no_grad()
def test_equals_official_detection_up_to_the_pyramid() -> None:
    weights, image = official.detection(8), torch.rand(1, 3, 64, 64)
    maps = official_backbone(weights, 'backbone.', 'nearest')(image)
    reduced = official.run_conv(weights, 'neck.reduction_conv.0', official.concatenated(maps))
    pyramid = predicted(take_over(hosts.det(8, OURS), weights), image)
    assert len(pyramid) == 5
    for i, actual in enumerate(pyramid):
        pooled = nn.functional.avg_pool2d(reduced, 2**i)
        expected = official.run_conv(weights, f'neck.fpn_conv.{i}', pooled)
        assert relative_difference(actual, expected) <= 1e-6
