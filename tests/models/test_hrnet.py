import copy

import pytest
import torch
from torch import nn

from hrnet_mm.models import ARCHS, ExchangeUnit, HRNet
from hrnet_mm.models.blocks import ResidualBlock
from tests.helpers import extra_of, loss_of, relative_difference


@pytest.mark.parametrize('arch', [*ARCHS, 8, 24])
def test_every_arch_gives_the_paper_widths_and_strides(arch: str | int) -> None:
    net = HRNet(arch).eval()
    width = ARCHS[arch].width if isinstance(arch, str) else arch
    with torch.no_grad():
        maps = net(torch.randn(1, 3, 64, 96))
    assert [tuple(y.shape) for y in maps] == [
        (1, width * 2**i, 16 // 2**i, 24 // 2**i) for i in range(4)
    ]
    assert net.out_channels == tuple(width * 2**i for i in range(4))
    assert net.strides == (4, 8, 16, 32)


@pytest.mark.parametrize('arch', ARCHS)
def test_extra_builds_the_same_network_as_its_arch(arch: str) -> None:
    with torch.device('meta'):
        by_name, by_extra = HRNet(arch), HRNet(extra=extra_of(arch))
    assert repr(by_name) == repr(by_extra)


@pytest.mark.parametrize('upsample', ['nearest', 'bilinear'])
@pytest.mark.parametrize('size', [(32, 32), (33, 47), (255, 191), (37, 130)])
def test_odd_sizes_keep_resolution(size: tuple[int, int], upsample: str) -> None:
    net = HRNet('w18_small', upsample=upsample)
    image = torch.randn(2, 3, *size)
    expected = [tuple(-(-n // 2 ** (i + 2)) for n in size) for i in range(4)]
    loss_of(net, image).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    net.eval()
    with torch.no_grad():
        assert [tuple(y.shape[2:]) for y in net(image)] == expected


@pytest.mark.parametrize('out_indices', [(0,), (1,), (0, 2), (1, 2, 3)])
def test_out_indices_build_only_what_they_need(out_indices: tuple[int, ...]) -> None:
    every, some = HRNet('w18_small').eval(), HRNet('w18_small', out_indices=out_indices).eval()
    weights = {k: v for k, v in every.state_dict().items() if k in some.state_dict()}
    some.load_state_dict(weights, strict=True)
    last_units = {k.split('.')[3] for k in weights if k.startswith('stage4.0.fuse_layers')}
    assert last_units == {str(i) for i in out_indices}
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        all_maps, maps = every(image), some(image)
    assert len(maps) == len(out_indices)
    for y, i in zip(maps, out_indices, strict=True):
        assert torch.equal(y, all_maps[i])
    some.train()
    loss_of(some, image.expand(2, -1, -1, -1)).backward()
    assert all(p.grad is not None for p in some.parameters())


@pytest.mark.parametrize(('fusion', 'count'), [('full', 8), ('across_stages', 3), ('final', 1)])
def test_fusion_places_the_papers_number_of_exchange_units(fusion: str, count: int) -> None:
    net = HRNet('w18', fusion=fusion, out_indices=(0,))
    assert sum(isinstance(module, ExchangeUnit) for module in net.modules()) == count
    loss_of(net, torch.randn(2, 3, 64, 64)).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_exchange_unit_is_the_papers_formula() -> None:
    unit = HRNet('w18_small').stage4[0].fuse_layers.eval()
    x = [torch.randn(1, 16 * 2**i, 16 // 2**i, 16 // 2**i) for i in range(4)]
    before = [x_r.clone() for x_r in x]
    for s, out in enumerate(unit(x)):
        terms = []
        for r in range(4):
            if r == s:
                terms.append(x[r])
            else:
                y = unit[str(s)][str(r)](x[r])
                terms.append(
                    y.repeat_interleave(2 ** (r - s), 2).repeat_interleave(2 ** (r - s), 3)
                    if r > s
                    else y
                )
        assert relative_difference(out, torch.relu(sum(terms))) < 1e-6
    assert all(torch.equal(x_r, b) for x_r, b in zip(x, before, strict=True))


def test_norm_eval_keeps_running_statistics() -> None:
    net = HRNet('w18_small', norm_eval=True)
    assert net.train() is net
    before = copy.deepcopy(dict(net.named_buffers()))
    net(torch.randn(2, 3, 64, 64))
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


@pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 2, 3, 4])
def test_frozen_stages_neither_learn_nor_track(frozen_stages: int) -> None:
    net = HRNet('w18_small', frozen_stages=frozen_stages).train()
    parts = ['conv1', 'bn1', 'conv2', 'bn2'] if frozen_stages >= 0 else []
    for i in range(1, frozen_stages + 1):
        parts += ['layer1' if i == 1 else f'stage{i}', f'transition{i}']
    before = copy.deepcopy(dict(net.named_buffers()))
    loss = loss_of(net, torch.randn(2, 3, 64, 64))
    if frozen_stages < 4:
        loss.backward()
    for name, parameter in net.named_parameters():
        frozen = name.split('.')[0] in parts
        assert parameter.requires_grad is not frozen, name
        assert (parameter.grad is None) is frozen, name
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]) is (name.split('.')[0] in parts), name


def test_zero_init_residual_makes_every_block_the_identity() -> None:
    net = HRNet('w18_small', zero_init_residual=True)
    net.init_weights()
    blocks = [block for block in net.modules() if isinstance(block, ResidualBlock)]
    assert len(blocks) > 10
    for block in blocks:
        if block.downsample is None:
            x = torch.rand(1, block.conv1.in_channels, 8, 8)
            assert torch.equal(block(x), x)


def test_zero_init_residual_spares_loaded_weights(tmp_path) -> None:
    source = HRNet('w18_small')
    torch.save(source.state_dict(), tmp_path / 'weights.pth')
    pretrained = dict(type='Pretrained', checkpoint=str(tmp_path / 'weights.pth'))
    for options in (dict(init_cfg=pretrained), dict(pretrained=pretrained['checkpoint'])):
        net = HRNet('w18_small', zero_init_residual=True, **options)
        net.init_weights()
        for a, b in zip(net.parameters(), source.parameters(), strict=True):
            assert torch.equal(a, b)


def test_default_init_is_kaiming_and_pose_init_is_the_papers() -> None:
    net = HRNet('w18_small')
    net.init_weights()
    weight = net.stage4[0].branches[3][0].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    pose = HRNet('w18_small', init_cfg=dict(type='Normal', std=0.001, layer='Conv2d'))
    pose.init_weights()
    weight = pose.stage4[0].branches[3][0].conv1.weight
    assert weight.std().item() == pytest.approx(0.001, rel=0.02)


def test_conv_cfg_and_in_channels_reach_the_layers() -> None:
    from mmcv.cnn.bricks import ConvAWS2d

    net = HRNet('w18_small', conv_cfg=dict(type='ConvAWS'), in_channels=5)
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert all(isinstance(conv, ConvAWS2d) for conv in convs)
    assert net.conv1.in_channels == 5


def changed_extra(stage: str, **changes) -> dict:
    extra = extra_of('w18')
    extra[stage] |= changes
    return extra


def without(stage: str, key: str) -> dict:
    extra = extra_of('w18')
    del extra[stage][key]
    return extra


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(arch='w33'), r"arch='w33' .* w18_small, .* w64, .*arch=24"),
        (dict(arch=0), r'arch=0 .*positive integer'),
        (dict(arch=True), r'arch=True'),
        (dict(arch='w18', extra={}), r"arch='w18' and extra=\{\} exclude each other"),
        (dict(extra=[1]), r'extra must be a dict .* got list'),
        (dict(extra=dict(stage1={})), r"extra lacks 'stage2'"),
        (dict(extra=extra_of('w18') | dict(stage5={})), r"unknown keys \['stage5'\]"),
        (dict(extra=without('stage3', 'num_blocks')), r"extra\['stage3'\] lacks 'num_blocks'"),
        (dict(extra=changed_extra('stage2', depth=3)), r"extra\['stage2'\] .*\['depth'\]"),
        (dict(extra=changed_extra('stage2', block='basic')), r"'basic'; .*BASIC, BOTTLENECK"),
        (dict(extra=changed_extra('stage2', num_modules=0)), r"\['num_modules'\] is 0"),
        (
            dict(extra=changed_extra('stage4', num_channels=(18, 36))),
            r"extra\['stage4'\]\['num_channels'\] is \(18, 36\).* 4 branches",
        ),
        (
            dict(extra=changed_extra('stage2', num_blocks=(4, -4))),
            r"\['num_blocks'\] is \(4, -4\).*positive",
        ),
        (
            dict(extra=extra_of('w18') | dict(stage4=extra_of('w18')['stage2'])),
            r'num_branches \[1, 2, 3, 2\]',
        ),
        (dict(extra=extra_of('w18') | dict(upsample='nearest')), r"extra\['upsample'\]='nearest'"),
        (
            dict(extra=extra_of('w18') | dict(upsample=dict(mode='nearest')), upsample='nearest'),
            r'exclude each other',
        ),
        (dict(out_indices=()), r'out_indices=\(\)'),
        (dict(out_indices=(0, 4)), r'out_indices=\(0, 4\) .*\(0, 1, 2, 3\)'),
        (dict(out_indices=(1, 0)), r'ascending'),
        (dict(out_indices=0), r'out_indices=0'),
        (dict(upsample='bicubic'), r"upsample='bicubic' .*'nearest', 'bilinear'"),
        (dict(align_corners=True), r"align_corners=True needs upsample='bilinear'"),
        (dict(fusion='none'), r"fusion='none' .*'full', 'across_stages', 'final'"),
        (dict(frozen_stages=5), r'frozen_stages=5 must be one of -1, 0'),
        (dict(in_channels='3'), r"in_channels='3' must be a positive integer"),
        (dict(pretrained='x', init_cfg=dict(type='Normal')), r"pretrained='x'"),
        (dict(pretrained=3), r'pretrained=3 must be the path'),
    ],
)
def test_bad_argument_is_named_with_its_value_and_remedy(options: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        HRNet(**options)
