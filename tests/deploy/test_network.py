"""The fused network is the network: every variant, neck, option and size."""

import pytest
import torch

from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.models import HRNet
from tests.helpers import NECKS, assert_same, maps_of, ready, small_extra, small_neck, small_net

UPSAMPLES = {
    'nearest': dict(upsample='nearest'),
    'bilinear': dict(upsample='bilinear'),
    'aligned': dict(upsample='bilinear', align_corners=True),
}
SIZES = [(64, 64), (33, 47), (255, 191)]


@pytest.mark.parametrize('arch', ['w18_small', 'w18_small_v2', 'w32', 'w44_bottleneck', 24])
def test_every_family_of_variants(arch: str | int) -> None:
    net = ready(HRNet(arch))
    image = torch.randn(1, 3, 64, 96)
    assert_same(FusedHRNet(net)(image), maps_of(net, None, image))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('upsample', UPSAMPLES)
def test_every_upsampling_at_odd_sizes(upsample: str, size: tuple[int, int]) -> None:
    net = small_net(**UPSAMPLES[upsample])
    image = torch.randn(2, 3, *size)
    assert_same(FusedHRNet(net)(image), maps_of(net, None, image))


@pytest.mark.parametrize('neck', NECKS)
@pytest.mark.parametrize('size', SIZES)
def test_every_neck(neck: str, size: tuple[int, int]) -> None:
    net, neck = small_net(), small_neck(neck)
    image = torch.randn(2, 3, *size)
    assert_same(FusedHRNet(net, neck)(image), maps_of(net, neck, image))


@pytest.mark.parametrize(
    'options',
    [
        dict(out_indices=(0,)),
        dict(out_indices=(1, 3)),
        dict(out_indices=(2, 3)),
        dict(fusion='across_stages'),
        dict(fusion='final'),
        dict(in_channels=1),
        dict(norm_cfg=dict(type='GN', num_groups=2)),
        dict(conv_cfg=dict(type='ConvWS')),
    ],
    ids=str,
)
def test_every_option(options: dict) -> None:
    net = small_net(**options)
    image = torch.randn(2, options.get('in_channels', 3), 61, 95)
    assert_same(FusedHRNet(net)(image), maps_of(net, None, image))


def test_stages_that_start_several_branches_or_none() -> None:
    extra = small_extra()
    for stage, widths in dict(
        stage2=(8, 16), stage3=(12, 16, 32, 64), stage4=(12, 20, 32, 64)
    ).items():
        blocks = (1, 2, 1, 3)[: len(widths)]
        extra[stage] |= dict(num_branches=len(widths), num_channels=widths, num_blocks=blocks)
    net = ready(HRNet(extra=extra))
    image = torch.randn(1, 3, 64, 96)
    assert_same(FusedHRNet(net)(image), maps_of(net, None, image))


def test_one_branch_at_the_end_has_no_exchange() -> None:
    extra = small_extra()
    for stage in ('stage2', 'stage3', 'stage4'):
        extra[stage] |= dict(num_branches=1, num_channels=(8,), num_blocks=(1,))
    net = ready(HRNet(extra=extra))
    image = torch.randn(1, 3, 64, 64)
    assert_same(FusedHRNet(net)(image), maps_of(net, None, image))


def test_image_and_weights_are_left_alone_and_a_second_run_gives_the_same() -> None:
    net, neck = small_net(), small_neck('v2')
    image = torch.randn(1, 3, 64, 64)
    before = image.clone(), {k: v.clone() for k, v in net.state_dict().items()}
    fused = FusedHRNet(net, neck)
    first, second = fused(image), fused(image)
    assert torch.equal(first[0], second[0]) and torch.equal(image, before[0])
    assert all(torch.equal(v, before[1][k]) for k, v in net.state_dict().items())


def test_channels_last_changes_only_rounding() -> None:
    net, neck = small_net(), small_neck('v2p')
    image = torch.randn(2, 3, 61, 95)
    fused = FusedHRNet(net, neck).to(memory_format=torch.channels_last)
    image_last = image.contiguous(memory_format=torch.channels_last)
    assert_same(fused(image_last), maps_of(net, neck, image))
