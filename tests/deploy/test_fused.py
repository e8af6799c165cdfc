"""The fused network is the network: every variant, neck, option, size; what cannot fold stays."""

import warnings

import pytest
import torch
from mmcv.cnn import build_conv_layer
from mmengine.model import revert_sync_batchnorm
from torch import nn

from hrnet_mm.deploy.fused.folding import fold
from hrnet_mm.deploy.fused.layers import FusedConv
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.models import HRNet
from tests.helpers import assert_same, maps_of, ready, small_extra, small_neck, small_net


@pytest.mark.parametrize('arch', ['w18_small', 'w18_small_v2', 'w32', 'w44_bottleneck', 24])
def test_every_family_of_variants(arch: str | int) -> None:
    net = ready(HRNet(arch))
    image = torch.randn(1, 3, 64, 96)
    assert_same(FusedHRNet(net)(image), maps_of(net, None, image))


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


@pytest.mark.parametrize(
    'options',
    [{}, dict(norm_cfg=dict(type='GN', num_groups=2)), dict(conv_cfg=dict(type='ConvWS'))],
    ids=str,
)
def test_image_and_network_are_left_alone_and_a_second_run_gives_the_same(options: dict) -> None:
    net, neck = small_net(**options), small_neck('v2')
    image = torch.randn(1, 3, 64, 64)
    before = image.clone(), {k: v.clone() for k, v in net.state_dict().items()}
    fused = FusedHRNet(net, neck)
    first, second = fused(image), fused(image)
    assert torch.equal(first[0], second[0]) and torch.equal(image, before[0])
    fused.to(torch.bfloat16)
    assert all(torch.equal(v, before[1][k]) for k, v in net.state_dict().items())
    assert all(x.requires_grad and x.dtype == torch.float32 for x in net.parameters())


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('affine', [False, True])
@pytest.mark.parametrize('norm_type', [nn.BatchNorm2d, nn.SyncBatchNorm])
def test_a_batch_norm_folds(norm_type: type[nn.Module], affine: bool, bias: bool) -> None:
    conv = nn.Conv2d(6, 4, 3, stride=2, padding=1, bias=bias)
    norm = norm_type(4, affine=affine, eps=1e-3)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    norm.eval()
    if affine:
        nn.init.normal_(norm.weight)  # some negative
        nn.init.normal_(norm.bias)
    folded, rest = fold(conv, norm)
    assert rest is None and type(folded) is nn.Conv2d
    x = torch.randn(2, 6, 9, 7)
    y = conv(x)
    expected = (y - norm.running_mean.view(-1, 1, 1)) / (norm.running_var + 1e-3).sqrt().view(
        -1, 1, 1
    )
    if affine:
        expected = expected * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
    assert_same([folded(x)], [expected], 1e-6)


def test_the_original_is_left_alone() -> None:
    conv, norm = nn.Conv2d(3, 4, 1), ready(nn.BatchNorm2d(4))
    before = conv.weight.clone(), norm.weight.clone()
    folded, _ = fold(conv, norm)
    folded.weight.fill_(0)
    assert torch.equal(conv.weight, before[0]) and torch.equal(norm.weight, before[1])


class ShiftedNorm(nn.BatchNorm2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


@pytest.mark.parametrize(
    ('kind', 'norm'),
    [
        # These depend on the input, or on a forward of their own.
        ('Conv', nn.GroupNorm(2, 4)),
        ('Conv', nn.InstanceNorm2d(4)),
        ('Conv', nn.BatchNorm2d(4, track_running_stats=False)),
        ('Conv', ready(ShiftedNorm(4))),
        ('Conv2dAdaptivePadding', ready(nn.BatchNorm2d(4))),
        ('ConvWS', ready(nn.BatchNorm2d(4))),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_what_cannot_be_folded_stays(kind: str, norm: nn.Module) -> None:
    conv = build_conv_layer(dict(type=kind), 3, 4, 3)
    assert fold(conv, norm.eval()) == (conv, norm)
    x = torch.randn(2, 3, 9, 9)
    expected = torch.relu(norm(conv(x)) + 1)
    assert_same([FusedConv(conv, norm, relu=True)(x, torch.ones_like(expected))], [expected])


def test_mmcvs_own_name_of_a_plain_convolution_folds() -> None:
    conv = build_conv_layer(dict(type='Conv'), 3, 4, 3)
    assert fold(conv, ready(nn.BatchNorm2d(4)))[1] is None


def test_mmengines_replacement_of_sync_bn_folds() -> None:
    conv = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.SyncBatchNorm(4))
    conv, norm = revert_sync_batchnorm(conv)
    assert type(norm) is not nn.BatchNorm2d and fold(conv, norm.eval())[1] is None


def test_a_convolution_whose_weight_a_hook_makes_stays() -> None:
    conv, norm = nn.Conv2d(3, 4, 1, bias=False), ready(nn.BatchNorm2d(4))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it is the older form, which mmcv uses
        nn.utils.weight_norm(conv)
    nn.init.constant_(conv.weight_g, 2)  # the weight is made of it at the next run
    x = torch.randn(1, 3, 4, 4)
    assert_same([FusedConv(conv, norm, relu=False)(x)], [norm(conv(x))])
