"""Another width of the backbone is named where the next part of the model has the old one."""

import pytest

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.base.config import read_config
from hrnet_mm.check.network import check_arch, check_channels
from tests.helpers import CONFIGS

POSE = 'pose/hrnet_w32_coco_256x192.py'
SEG = 'seg/fcn_hrnetv2_w18_cityscapes_512x1024.py'
DET = 'det/faster_rcnn_hrnetv2p_w18_coco_1x.py'


def said_of(config: str, options: dict[str, object]) -> list[str]:
    cfg = read_config(CONFIGS / config, options)
    return [finding.text for finding in check_channels(cfg) if finding.level == 'stop']


@pytest.mark.parametrize(
    ('config', 'options', 'sentence'),
    [
        (
            POSE,
            {'model.backbone.arch': 8},
            'model.head.in_channels is 32, but model.backbone gives maps of [8] channels: write '
            'model.head.in_channels=8',
        ),
        (
            DET,
            {'model.backbone.arch': 'w32'},
            'model.neck.in_channels is [18, 36, 72, 144], but model.backbone gives maps of '
            '[32, 64, 128, 256] channels: write model.neck.in_channels=[32, 64, 128, 256]',
        ),
        (
            DET,
            {'model.rpn_head.in_channels': 128},
            'model.rpn_head.in_channels is 128, but model.neck gives maps of '
            '[256, 256, 256, 256, 256] channels: write model.rpn_head.in_channels=256',
        ),
    ],
)
def test_channels_that_do_not_agree_are_named(
    config: str, options: dict[str, object], sentence: str
) -> None:
    assert said_of(config, options) == [sentence]


def test_channels_of_a_head_that_chooses_maps_are_those_of_the_chosen() -> None:
    [sentence] = said_of(SEG, {'model.backbone.arch': 'w48'})
    assert 'in_channels' in sentence and '48' in sentence


def test_an_arch_that_there_is_not_is_named() -> None:
    backbone = dict(type='hrnet_mm.HRNet', arch='w99')
    [finding] = check_arch(backbone)
    assert finding.level == 'stop' and "arch='w99' is not an HRNet" in finding.text
    for right in (dict(backbone, arch=24), dict(type='HRNet', arch='w99'), None):
        assert not list(check_arch(right))
