"""The same weights give the same numbers as every other copy of HRNet."""

import importlib
from typing import Any

import pytest
import timm
import torch
from mmengine.registry import DefaultScope
from mmseg.models.decode_heads import FCNHead
from torch import Tensor, nn

from hrnet_mm.models import HRNet, HRNetCls, HRNetV2, HRNetV2p
from tests.helpers import extra_of, randomize, relative_difference, train_three_steps

VARIANTS = ('w18', 'w32', 'w48')
TOLERANCE = 1e-6
NEAREST = dict(mode='nearest', align_corners=None)
BILINEAR = dict(mode='bilinear', align_corners=False)
PEERS = (
    ('mmpose', NEAREST),
    ('mmpose', BILINEAR),
    ('mmpose', dict(mode='bilinear', align_corners=True)),
    ('mmdet', NEAREST),
    ('mmseg', BILINEAR),
    ('mmpretrain', NEAREST),
    ('timm', NEAREST),
)


def build_peer(name: str, arch: str, upsample: dict[str, Any]) -> nn.Module:
    """Another library's HRNet that gives four maps as ours does."""
    if name == 'timm':  # up to the four maps: its ``features_only`` form without the stem's map
        form = dict(features_only=True, feature_location='', out_indices=(1, 2, 3, 4))
        net = timm.create_model(f'hrnet_{arch}', pretrained=False, **form)
        assert net.incre_modules is None
        return net
    extra, options = extra_of(arch), dict(norm_eval=False) if name == 'mmdet' else {}
    if name == 'mmpose':
        extra['upsample'] = upsample
        extra['stage4']['multiscale_output'] = True
    hrnet = importlib.import_module(f'{name}.models.backbones.hrnet').HRNet
    return hrnet(extra=extra, **options)


def name_of(peer: tuple[str, dict[str, Any]]) -> str:
    corners = '-aligned' if peer[1]['align_corners'] else ''
    return f'{peer[0]}-{peer[1]["mode"]}{corners}'


def ours_and_theirs(peer: tuple[str, dict[str, Any]], arch: str) -> tuple[HRNet, nn.Module]:
    name, upsample = peer
    theirs = randomize(build_peer(name, arch, upsample))
    mode, corners = upsample['mode'], bool(upsample['align_corners'])
    ours = HRNet(arch, upsample=mode, align_corners=corners)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def evaluate(net: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
    net.eval()  # the hosts' copies return None here
    with torch.no_grad():
        return tuple(net(image))


@pytest.mark.parametrize('arch', VARIANTS)
@pytest.mark.parametrize('peer', PEERS, ids=name_of)
def test_equals_peer_output_bit_for_bit(peer: tuple, arch: str) -> None:
    ours, theirs = ours_and_theirs(peer, arch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    image = torch.randn(2, 3, 96, 64)
    expected, actual = evaluate(theirs, image), evaluate(ours, image)
    assert len(actual) == len(expected) == 4
    for a, e in zip(actual, expected, strict=True):
        assert e.abs().max() > 0
        assert torch.equal(a, e)


@pytest.mark.parametrize('arch', VARIANTS)
@pytest.mark.parametrize('peer', PEERS, ids=name_of)
def test_trains_like_peer(peer: tuple, arch: str) -> None:
    nets = ours_and_theirs(peer, arch)
    images = [torch.randn(2, 3, 64, 64) for _ in range(3)]
    ours, theirs = (train_three_steps(net, images) for net in nets)
    assert list(ours) == list(theirs)
    differences = {name: relative_difference(ours[name], theirs[name]) for name in theirs}
    assert max(differences.values()) <= TOLERANCE, max(differences, key=differences.get)


def hrnet_maps(width: int, height: int = 32) -> list[Tensor]:
    return [torch.randn(2, width * 2**i, height // 2**i, height // 2**i) for i in range(4)]


@pytest.mark.parametrize('options', [{}, dict(stride=2), dict(pooling_type='MAX', num_outs=4)])
def test_v2p_equals_mmdet_hrfpn(options: dict) -> None:
    from mmdet.models.necks import HRFPN

    channels = [18, 36, 72, 144]
    theirs, ours = HRFPN(channels, 64, **options), HRNetV2p(channels, 64, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    maps = hrnet_maps(18)
    for a, e in zip(ours(maps), theirs(maps), strict=True):
        assert torch.equal(a, e)


def test_cls_equals_mmpretrain_hrfusescales() -> None:
    from mmpretrain.models.necks import HRFuseScales

    channels = [18, 36, 72, 144]
    theirs, ours = randomize(HRFuseScales(channels)).eval(), HRNetCls(channels).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    maps = hrnet_maps(18)
    (actual,), (expected,) = ours(maps), theirs(tuple(maps))
    assert torch.equal(actual, expected)


def fcn_head(channels: int | list[int], num_convs: int) -> FCNHead:
    raw = isinstance(channels, list)
    head = dict(
        in_channels=channels,
        in_index=tuple(range(4)) if raw else 0,
        input_transform='resize_concat' if raw else None,
        channels=sum(channels) if raw else channels,
        kernel_size=1,
        num_convs=num_convs,
        concat_input=False,
        num_classes=19,
        norm_cfg=dict(type='BN'),
        dropout_ratio=0,
    )
    with DefaultScope.overwrite_default_scope('mmseg'):  # where its loss is looked up
        return FCNHead(**head)


def test_v2_and_bare_head_equal_mmseg_resize_concat_head() -> None:
    channels = [18, 36, 72, 144]
    whole = randomize(fcn_head(channels, num_convs=1)).eval()
    neck, bare = HRNetV2(channels).eval(), fcn_head(sum(channels), num_convs=0).eval()
    weights = whole.state_dict()
    first = 'convs.0.'
    neck.load_state_dict(
        {k.replace(first, 'fuse_conv.'): v for k, v in weights.items() if k.startswith(first)}
    )
    bare.load_state_dict({k: v for k, v in weights.items() if not k.startswith(first)})
    maps = hrnet_maps(18)
    assert torch.equal(bare(neck(maps)), whole(maps))


def test_odd_sizes_match_mmseg_where_it_upsamples_once() -> None:
    """mmseg resizes a second time unless all maps double exactly: 1/4 maps divisible by 8."""
    theirs, ours = (
        randomize(build_peer('mmseg', 'w18', BILINEAR)),
        HRNet('w18', upsample='bilinear'),
    )
    ours.load_state_dict(theirs.state_dict())
    for size in [(61, 93), (64, 95), (93, 126)]:
        image = torch.randn(1, 3, *size)
        for a, e in zip(evaluate(ours, image), evaluate(theirs, image), strict=True):
            assert torch.equal(a, e)
