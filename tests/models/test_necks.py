import pytest
import torch

from hrnet_mm.models import HRNet, HRNetCls, HRNetV1, HRNetV2, HRNetV2p

CHANNELS = [16, 32, 64, 128]


def maps_of(*size: int) -> tuple[torch.Tensor, ...]:
    return HRNet('w18_small')(torch.randn(2, 3, *size))


def test_v1_gives_the_finest_map_alone() -> None:
    maps = maps_of(64, 64)
    (finest,) = HRNetV1()(maps)
    assert finest is maps[0]


@pytest.mark.parametrize('size', [(32, 32), (33, 47), (255, 191)])
def test_every_neck_takes_every_size(size: tuple[int, int]) -> None:
    maps = maps_of(*size)
    height, width = maps[0].shape[2:]
    (y,) = HRNetV2(CHANNELS)(maps)
    assert y.shape == (2, sum(CHANNELS), height, width)
    (y,) = HRNetCls(CHANNELS)(maps)
    assert y.shape == (2, 2048, *maps[3].shape[2:])
    for pooling_type in ('AVG', 'MAX'):
        pyramid = HRNetV2p(CHANNELS, 8, pooling_type=pooling_type)(maps)
        expected = [(max(1, height // 2**i), max(1, width // 2**i)) for i in range(5)]
        assert [tuple(y.shape[2:]) for y in pyramid] == expected


def test_v2_options() -> None:
    maps = maps_of(64, 64)
    aligned, plain = (HRNetV2(CHANNELS, 24, align_corners=corners) for corners in (True, False))
    aligned.load_state_dict(plain.state_dict())
    (a,), (b,) = aligned(maps), plain(maps)
    assert a.shape == (2, 24, 16, 16)
    assert not torch.equal(a, b)


def test_v2p_honours_norm_cfg() -> None:
    neck = HRNetV2p(CHANNELS, 8, norm_cfg=dict(type='BN'))
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in neck.modules()) == 6


def test_v2p_with_cp_changes_neither_gradients_nor_running_statistics() -> None:
    maps = [x.detach() for x in maps_of(64, 64)]
    options = dict(in_channels=CHANNELS, out_channels=8, num_outs=3, norm_cfg=dict(type='BN'))
    plain, saving = HRNetV2p(**options), HRNetV2p(**options, with_cp=True)
    saving.load_state_dict(plain.state_dict())
    for neck in (plain, saving):
        sum(y.square().mean() for y in neck(maps)).backward()
    for a, b in zip(saving.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    for a, b in zip(saving.buffers(), plain.buffers(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: HRNetV2(32), r'in_channels=32 must list the channels'),
        (lambda: HRNetV2p([16, 'x'], 8), r"in_channels=\[16, 'x'\]"),
        (lambda: HRNetV2p(CHANNELS, 8, pooling_type='avg'), r"pooling_type='avg'"),
        (lambda: HRNetV2p(CHANNELS, 8, num_outs=0), r'num_outs=0 must be a positive integer'),
        (lambda: HRNetCls([16, 32]), r'in_channels=\[16, 32\] must hold .* 4 maps'),
    ],
)
def test_bad_argument_is_named_with_its_value(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize('neck', [HRNetV2, lambda c: HRNetV2p(c, 8), HRNetCls])
def test_maps_of_another_width_are_refused_by_name(neck) -> None:
    with pytest.raises(ValueError, match=r'\(18, 36, 72, 144\) channels and got \(16, 32, 64, 128'):
        neck([18, 36, 72, 144])(maps_of(32, 32))
