"""Each stand-in takes the arguments of the host's class and means the same by them."""

import inspect
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from hrnet_mm.takeover.switch import HOSTS, taken
from tests.helpers import CHANNELS, relative_difference, small_extra, train_three_steps
from tests.takeover.upstream import all_maps_of, pair, registry_of, theirs_and_ours

CLASSES = (
    *((host, 'HRNet') for host in HOSTS),
    ('mmdet', 'HRFPN'),
    ('mmpretrain', 'HRFuseScales'),
)
WITH_FROZEN_STAGES = ('mmpose', 'mmseg')
WITH_PRETRAINED = ('mmdet', 'mmseg')


def same_bits(theirs: nn.Module, ours: nn.Module, x: Any) -> bool:
    theirs.eval(), ours.eval()
    with torch.no_grad():
        expected, actual = theirs(x), ours(x)
    assert type(actual) is type(expected) and len(actual) == len(expected) > 0
    return all(map(torch.equal, actual, expected))


def image() -> Tensor:
    return torch.randn(2, 3, 64, 64)


@pytest.mark.parametrize(('host', 'name'), CLASSES)
def test_has_the_hosts_arguments_and_defaults(host: str, name: str) -> None:
    theirs, ours = (
        [(p.name, p.kind, p.default) for p in inspect.signature(cls).parameters.values()]
        for cls in theirs_and_ours(host, name)
    )
    assert ours == theirs


@pytest.mark.parametrize('host', HOSTS)
def test_returns_the_hosts_container_of_the_hosts_bits(host: str) -> None:
    theirs, ours = pair(host)
    assert same_bits(theirs, ours, image())
    assert len(ours(image())) == 4


@pytest.mark.parametrize('host', HOSTS)
def test_multiscale_output_off_returns_the_finest_map_only(host: str) -> None:
    if host == 'mmpose':
        theirs, ours = pair(host, extra=small_extra())
    else:
        theirs, ours = pair(host, multiscale_output=False)
    assert same_bits(theirs, ours, image())
    assert len(ours(image())) == 1


@pytest.mark.parametrize('host', HOSTS)
def test_trains_like_the_host(host: str) -> None:
    theirs, ours = pair(host, norm_eval=False)
    images = [image() for _ in range(3)]
    expected, actual = train_three_steps(theirs, images), train_three_steps(ours, images)
    assert list(actual) == list(expected)
    differences = {name: relative_difference(actual[name], expected[name]) for name in expected}
    assert max(differences.values()) <= 1e-6, max(differences, key=differences.get)


@pytest.mark.parametrize(
    ('host', 'name', 'options'),
    [
        *((host, 'HRNet', dict(extra=all_maps_of(host))) for host in HOSTS),
        ('mmpose', 'HRNet', dict(extra=small_extra(), zero_init_residual=True)),
        ('mmdet', 'HRFPN', dict(in_channels=CHANNELS, out_channels=16)),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_same_seed_gives_the_hosts_initial_weights(
    host: str, name: str, options: dict[str, Any]
) -> None:
    expected, actual = (seeded(cls, **options) for cls in theirs_and_ours(host, name))
    assert_same_weights(actual, expected)


@pytest.mark.parametrize('host', ['mmdet', 'mmseg', 'mmpretrain'])
def test_zero_init_residual_works_where_the_hosts_copy_ignores_it(host: str) -> None:
    _, ours = theirs_and_ours(host, 'HRNet')
    weights = seeded(ours, extra=small_extra(), zero_init_residual=True)
    assert not weights['layer1.0.bn3.weight'].any()
    assert not weights['stage4.0.branches.3.0.bn2.weight'].any()


def seeded(cls: type[nn.Module], **options: Any) -> dict[str, Tensor]:
    """Initial weights, and the number that the rest of a model would be initialised with next."""
    torch.manual_seed(1)
    module = cls(**options)
    module.init_weights()
    return module.state_dict() | dict(next=torch.rand(1))


def assert_same_weights(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(actual) == list(expected)
    differing = [name for name in expected if not torch.equal(actual[name], expected[name])]
    assert not differing


@pytest.mark.parametrize('host', ['mmpose', 'mmpretrain'])
def test_init_cfg_none_initialises_nothing(host: str) -> None:
    theirs, ours = pair(host, init_cfg=None)
    theirs.init_weights(), ours.init_weights()
    assert_same_weights(ours.state_dict(), theirs.state_dict())


def modes(net: nn.Module) -> dict[str, bool]:
    """Mode of every module that the mode of matters: the norms."""
    return {name: m.training for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}


def trainable(net: nn.Module) -> list[str]:
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize('host', HOSTS)
@pytest.mark.parametrize('options', [{}, dict(norm_eval=True), dict(norm_eval=False)], ids=str)
def test_norms_train_when_the_hosts_do(host: str, options: dict[str, Any]) -> None:
    theirs, ours = pair(host, **options)
    for mode in (True, False, True):
        theirs.train(mode), ours.train(mode)
        assert modes(ours) == modes(theirs)


@pytest.mark.parametrize('host', WITH_FROZEN_STAGES)
@pytest.mark.parametrize('frozen_stages', range(-1, 5))
def test_freezes_what_the_host_freezes(host: str, frozen_stages: int) -> None:
    theirs, ours = pair(host, frozen_stages=frozen_stages)
    assert trainable(ours) == trainable(theirs)
    theirs.train(), ours.train()
    assert modes(ours) == modes(theirs)


@pytest.mark.parametrize('host', WITH_PRETRAINED)
def test_pretrained_loads_a_checkpoint(host: str, tmp_path) -> None:
    theirs, _ = pair(host)
    torch.save(theirs.state_dict(), tmp_path / 'theirs.pth')
    _, ours = pair(host, pretrained=str(tmp_path / 'theirs.pth'))
    ours.init_weights()
    assert_same_weights(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize('host', HOSTS)
@pytest.mark.parametrize('norm_cfg', [dict(type='GN', num_groups=2), dict(type='SyncBN')], ids=str)
def test_checkpoints_have_the_hosts_names_with_other_norms(host: str, norm_cfg: dict) -> None:
    theirs, ours = pair(host, norm_cfg=norm_cfg)
    assert same_bits(theirs, ours, image())


@pytest.mark.parametrize('host', HOSTS)
def test_mmpose_upsamples_as_extra_says_and_the_others_pass_over_it(host: str) -> None:
    extra = all_maps_of(host) | dict(upsample=dict(mode='bilinear', align_corners=False))
    assert same_bits(*pair(host, extra=extra), image())


def test_mmpretrain_reads_extra_before_arch() -> None:
    assert same_bits(*pair('mmpretrain', arch='w18'), image())


def maps() -> list[Tensor]:
    return [torch.randn(2, c, 64 // 2**i, 64 // 2**i) for i, c in enumerate(CHANNELS)]


@pytest.mark.parametrize('options', [{}, dict(norm_cfg=dict(type='BN')), dict(stride=2)], ids=str)
def test_hrfpn_has_no_norms_like_mmdets(options: dict[str, Any]) -> None:
    theirs, ours = pair('mmdet', 'HRFPN', CHANNELS, 16, **options)
    assert not modes(ours)
    assert same_bits(theirs, ours, maps())


def test_hrfpn_with_init_cfg_none_initialises_nothing() -> None:
    _, ours = pair('mmdet', 'HRFPN', CHANNELS, 16, init_cfg=None)
    assert ours.init_cfg is None


@pytest.mark.parametrize('options', [{}, dict(norm_cfg=dict(type='GN', num_groups=2))], ids=str)
def test_hrfusescales_has_the_hosts_names(options: dict[str, Any]) -> None:
    theirs, ours = pair('mmpretrain', 'HRFuseScales', CHANNELS, 16, **options)
    assert same_bits(theirs, ours, tuple(maps()))


@pytest.mark.parametrize('size', [(33, 47), (61, 93), (64, 95), (125, 94), (128, 171), (32, 32)])
def test_mmseg_gives_the_hosts_bits_at_any_size(size: tuple[int, int]) -> None:
    assert same_bits(*pair('mmseg'), torch.randn(1, 3, *size))


def test_mmseg_segmentor_hands_pretrained_to_ours() -> None:
    head = dict(
        type='FCNHead',
        in_channels=CHANNELS,
        in_index=(0, 1, 2, 3),
        input_transform='resize_concat',
        channels=8,
        num_classes=2,
        norm_cfg=dict(type='BN'),
    )
    model = dict(
        type='EncoderDecoder',
        backbone=dict(type='HRNet', extra=small_extra()),
        decode_head=head,
        pretrained='hrnet.pth',
    )
    with taken('mmseg'), DefaultScope.overwrite_default_scope('mmseg'):
        segmentor = registry_of('mmseg').build(ConfigDict(model))
    assert segmentor.backbone.init_cfg == dict(type='Pretrained', checkpoint='hrnet.pth')
