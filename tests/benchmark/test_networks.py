"""Every copy of HRNet, with the neck of a task, is the same function on the same weights."""

from pathlib import Path

import pytest
import torch

from benchmark.candidates import LeftOut
from benchmark.compare import compared, difference
from benchmark.measure import Measured, Started
from benchmark.networks import Workload, load_weights, our_trunk, reference_weights
from tests.benchmark.helpers import SMALL, outputs_of_ours, started

COPIES = [
    *((name, 'nearest') for name in ('mmpose', 'mmdet', 'timm')),
    *((name, 'bilinear') for name in ('mmpose', 'mmseg')),
]


@pytest.mark.parametrize('task', ['pose', 'seg', 'det', 'backbone'])
@pytest.mark.parametrize(('copy', 'upsample'), COPIES)
def test_copies_infer_the_same(copy: str, upsample: str, task: str, tmp_path: Path) -> None:
    workload = Workload(task, upsample=upsample, **SMALL)
    expected = outputs_of_ours(workload)
    assert [tuple(y.shape) for y in expected] == SHAPES[task]
    assert all(0.01 < y.std() < 100 for y in expected)
    assert difference(started(workload, copy, tmp_path).outputs, expected) < 1e-6


SHAPES = dict(
    pose=[(2, 16, 16, 16)],
    seg=[(2, 240, 16, 16)],
    det=[(2, 256, side, side) for side in (16, 8, 4, 2, 1)],
    backbone=[(2, 16 * 2**i, 16 // 2**i, 16 // 2**i) for i in range(4)],
)


@pytest.mark.parametrize(('copy', 'upsample'), COPIES)
def test_copies_train_the_same(copy: str, upsample: str, tmp_path: Path) -> None:
    workload = Workload('backbone', mode='train', upsample=upsample, **SMALL)
    expected = started(workload, 'ours', tmp_path)
    found = started(workload, copy, tmp_path)
    assert [y.shape for y in expected.gradient] == [(64, 3, 3, 3)]
    assert difference(found.outputs, expected.outputs) < 1e-5
    assert difference(found.gradient, expected.gradient) < 1e-4


@pytest.mark.parametrize(
    ('copy', 'options', 'reason'),
    [
        ('mmseg', dict(upsample='nearest'), 'this copy upsamples bilinear, the case nearest'),
        ('timm', dict(upsample='bilinear'), 'this copy upsamples nearest, the case bilinear'),
        ('timm', dict(arch=8), 'timm has no hrnet_8'),
        ('timm+cp', dict(mode='train'), 'timm cannot recompute'),
    ],
)
def test_a_copy_that_cannot_do_it_is_left_out(
    copy: str, options: dict, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(LeftOut, match=reason):
        started(Workload(**SMALL | options), copy, tmp_path)


def test_another_function_gets_no_speed() -> None:
    y, gradient, measured = torch.ones(2, 3), torch.ones(4), Measured()
    measured.started = {
        'ours@fp32': trained(y, gradient),
        'mmpose@fp32': trained(y + 1e-6, gradient + 0.1),
        'mmdet@fp32': trained(y + 0.1, gradient),
        'mmseg@fp32': trained(y, -gradient),
        'timm@bf16': trained(y + 0.1, gradient),
    }
    differences = compared(measured, trained(y, gradient))
    assert list(measured.started) == list(differences) == ['ours@fp32', 'mmpose@fp32', 'timm@bf16']
    assert differences['mmpose@fp32'] == pytest.approx((1e-6, 0.1), rel=0.1)
    assert measured.left_out == {
        'mmdet@fp32': 'its outputs differ from ours by 1.0e-01, its gradient by 0.0e+00',
        'mmseg@fp32': 'its outputs differ from ours by 0.0e+00, its gradient by 2.0e+00',
    }


def trained(outputs: torch.Tensor, gradient: torch.Tensor) -> Started:
    return Started(None, (outputs,), (gradient,), 0, None, 0.0, 0.0)


def test_another_function_is_told_apart() -> None:
    y = torch.tensor([1.0, -2.0])
    assert difference((y, 3 * y), (y, 2 * y)) == 0.5
    for other, reason in ((y[:1], 'gives'), (y / 0, 'not finite')):
        with pytest.raises(LeftOut, match=reason):
            difference((other,), (y,))


def test_maps_are_of_one_scale_at_every_size_as_int8_needs_them() -> None:
    net = our_trunk(Workload()).eval()
    load_weights(net, reference_weights(Workload()))
    with torch.no_grad():
        (large,), (odd,) = (net(torch.randn(1, 3, *size)) for size in ((256, 192), (33, 47)))
    assert 1 < large.std() < 10 and 0.5 < odd.std() / large.std() < 2
