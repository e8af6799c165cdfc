"""The operators that stand in for mmcv's compiled ones: the same results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType

import mmcv.ops
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from hrnet_mm.standins import operators
from tests.standins.reference import HAS_OPERATORS, Arrays, References

TOLERANCE = 1e-5


@pytest.fixture(scope='module')
def references() -> Iterator[References]:
    references = References(Path(__file__).with_name('operators.npz'), HAS_OPERATORS)
    yield references
    references.save()


@pytest.fixture
def by_standins(monkeypatch: pytest.MonkeyPatch) -> None:
    """mmcv's functions and layers call the stand-ins, though mmcv be compiled."""
    for module in ('nms', 'roi_align', 'focal_loss', 'deform_conv', 'modulated_deform_conv'):
        monkeypatch.setattr(sys.modules[f'mmcv.ops.{module}'], 'ext_module', operators)


def compiled() -> ModuleType:
    return import_module('mmcv._ext')


def random(*shape: int, seed: int = 0, low: float = 0, high: float = 1) -> Tensor:
    """Numbers that are the same on every machine."""
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return torch.from_numpy(values.astype(np.float32))


def assert_close(found: Arrays, expected: Arrays) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, TOLERANCE, TOLERANCE, err_msg=name)


def as_arrays(**tensors: Tensor) -> Arrays:
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


# Suppression


def boxes_of(name: str) -> tuple[Tensor, Tensor]:
    """(N, 4) boxes and (N,) scores."""
    if name == 'none':
        return torch.zeros(0, 4), torch.zeros(0)
    if name == 'one':
        return torch.tensor([[1.0, 2, 3, 4]]), torch.ones(1)
    if name == 'without area':
        return random(9, 2, high=3).round().repeat(1, 2), random(9, seed=1)
    if name == 'the same box':
        return torch.tensor([[2.0, 2, 9, 9]]).repeat(70, 1), random(70)
    if name == 'equal scores':
        return boxes_of('crowded')[0], (random(400, seed=1) * 4).round() / 4
    if name == 'integers':  # overlaps that are the threshold itself
        corners = random(300, 2, high=20).round()
        return torch.cat((corners, corners + random(300, 2, seed=1, low=1, high=9).round()), 1), (
            random(300, seed=2)
        )
    corners = random(400, 2, high=200)
    boxes = torch.cat((corners, corners + random(400, 2, seed=1, low=4, high=80)), 1)
    if name == 'classes apart':
        boxes += (random(400, 1, seed=2, high=4).floor()) * 281
    return boxes, random(400, seed=3)


BOXES = (
    'none',
    'one',
    'without area',
    'the same box',
    'equal scores',
    'integers',
    'crowded',
    'classes apart',
)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('name', BOXES)
def test_nms_keeps_the_same_boxes(references: References, name: str, offset: int) -> None:
    boxes, scores = boxes_of(name)

    def run(module: ModuleType) -> Arrays:
        thresholds = (0.0, 0.3, 0.5, 0.7, 1.0)
        kept = {
            str(t): module.nms(boxes, scores, iou_threshold=t, offset=offset) for t in thresholds
        }
        return {name: indices.numpy().astype(np.int16) for name, indices in kept.items()}

    expected = references.of(f'nms {name} {offset}', lambda: run(compiled()))
    found = run(operators)
    for threshold, indices in expected.items():
        assert found[threshold].tolist() == indices.tolist()


def test_boxes_in_half_precision_and_on_a_view_are_kept_alike() -> None:
    boxes, scores = boxes_of('integers')  # which half precision holds exactly
    expected = operators.nms(boxes, scores, iou_threshold=0.5, offset=0)
    with_stride = torch.cat((boxes, boxes), 1)[:, 4:]
    for same in (boxes.half(), boxes.double(), with_stride):
        found = operators.nms(same, scores, iou_threshold=0.5, offset=0)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize('name', BOXES)
def test_softnms_lowers_the_same_scores(references: References, name: str) -> None:
    boxes, scores = boxes_of(name)
    boxes, scores = boxes[:120], scores[:120]

    def run(module: ModuleType) -> Arrays:
        results = {}
        for method, offset in product((0, 1, 2), (0, 1)):
            dets = torch.zeros(len(boxes), 5)
            numbers = dict(iou_threshold=0.3, sigma=0.5, min_score=0.05)
            kept = module.softnms(boxes, scores, dets, method=method, offset=offset, **numbers)
            results[f'indices {method} {offset}'] = kept.numpy().astype(np.int16)
            results[f'scores {method} {offset}'] = dets[: len(kept), 4].numpy()
        return results

    assert_close(run(operators), references.of(f'softnms {name}', lambda: run(compiled())))


@pytest.mark.parametrize('name', BOXES[1:])  # mmcv answers for no boxes itself
def test_nms_match_finds_the_same_groups(references: References, name: str) -> None:
    boxes, scores = boxes_of(name)
    dets = torch.cat((boxes, scores[:, None]), 1)

    def run(module: ModuleType) -> Arrays:
        groups = module.nms_match(dets, iou_threshold=0.5)
        numbers = [[number for group in groups for number in group], [len(g) for g in groups]]
        return dict(zip(('boxes', 'sizes'), (np.array(n, np.int16) for n in numbers), strict=True))

    assert_close(run(operators), references.of(f'match {name}', lambda: run(compiled())))


# RoIAlign

MAPS = {'map': (2, 3, 12, 17), 'one pixel': (1, 2, 1, 1), 'one row': (2, 1, 1, 9)}


def rois_of(name: str) -> Tensor:
    """Boxes within the map and over its rim, without area, of one point, far outside."""
    n, _, h, w = MAPS[name]
    size = torch.tensor([w, h]) / 0.25
    corners = random(9, 2, seed=4, low=-0.3) * size
    boxes = torch.cat((corners, corners + random(9, 2, seed=5, high=0.8) * size), 1)
    boxes = torch.cat(
        (
            boxes,
            torch.tensor([[4.0, 4, 4, 4], [0, 0, 1e-3, 2], [-900, -900, -800, -800]]),
            torch.tensor([[0.0, 0, 4 * w, 4 * h], [4 * w, 4 * h, 4 * w + 9, 4 * h + 9]]),
        )
    )
    images = (random(len(boxes), 1, seed=6) * n).floor()
    return torch.cat((images, boxes), 1)


def roi_align(
    module: ModuleType, features: Tensor, rois: Tensor, size: tuple[int, int], **options: object
) -> Arrays:
    """The output, and the gradient of the map for random gradients of the output."""
    h, w = size
    options |= dict(aligned_height=h, aligned_width=w, spatial_scale=0.25)
    output = features.new_zeros(len(rois), features.shape[1], h, w)
    places = [torch.zeros_like(output) for _ in range(2)]
    if options['pool_mode'] == 1:
        places = [output.new_zeros(0)] * 2
    module.roi_align_forward(features, rois, output, *places, **options)
    gradient = random(*output.shape, seed=7).to(output.dtype)
    grad_input = features.new_zeros(features.shape)
    module.roi_align_backward(gradient, rois, *places, grad_input, **options)
    return as_arrays(output=output, gradient=grad_input)


@pytest.mark.parametrize('aligned', [True, False], ids=['aligned', 'not aligned'])
@pytest.mark.parametrize('sampling_ratio', [0, 1, 3])
@pytest.mark.parametrize('mode', ['mean', 'maximum'])
@pytest.mark.parametrize('name', MAPS)
def test_roi_align_equals_the_compiled_one(
    references: References, name: str, mode: str, sampling_ratio: int, aligned: bool
) -> None:
    features, rois = random(*MAPS[name], low=-1), rois_of(name)
    options = dict(sampling_ratio=sampling_ratio, aligned=aligned, pool_mode=int(mode == 'mean'))
    key = f'roi_align {name} {mode} {sampling_ratio} {aligned}'
    expected = references.of(key, lambda: roi_align(compiled(), features, rois, (3, 2), **options))
    assert_close(roi_align(operators, features, rois, (3, 2), **options), expected)


MEAN = dict(pool_mode=1, sampling_ratio=0, aligned=True)


def test_roi_align_reads_maps_of_any_memory_format() -> None:
    features, rois = random(*MAPS['map'], low=-1), rois_of('map')
    expected = roi_align(operators, features, rois, (7, 7), **MEAN)
    channels_last = features.contiguous(memory_format=torch.channels_last)
    with_stride = features.repeat_interleave(2, dim=3)[..., ::2]
    for same in (channels_last, with_stride):
        assert_close(roi_align(operators, same, rois, (7, 7), **MEAN), expected)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_roi_align_in_half_precision_is_rounded_once(dtype: torch.dtype) -> None:
    features, rois = random(*MAPS['map'], low=-1).to(dtype), rois_of('map')
    output = features.new_zeros(len(rois), 3, 7, 7)
    empty = output.new_zeros(0)
    sizes = dict(aligned_height=7, aligned_width=7, spatial_scale=0.25)
    operators.roi_align_forward(features, rois, output, empty, empty, **sizes, **MEAN)
    expected = roi_align(operators, features.float(), rois, (7, 7), **MEAN)['output']
    assert torch.equal(output, torch.from_numpy(expected).to(dtype))


@pytest.mark.parametrize('shape', [(1, 3, 8, 8), (0, 3, 8, 8)], ids=['no boxes', 'no images'])
def test_roi_align_of_nothing_is_empty_and_has_no_gradient(shape: tuple[int, ...]) -> None:
    found = roi_align(operators, random(*shape), torch.zeros(0, 5), (7, 7), **MEAN)
    assert found['output'].shape == (0, 3, 7, 7)
    assert not found['gradient'].any()


def test_a_box_of_negative_size_is_refused() -> None:
    with pytest.raises(RuntimeError, match='negative width or height'):
        roi_align(operators, random(1, 1, 4, 4), torch.tensor([[0.0, 3, 3, 1, 1]]), (2, 2), **MEAN)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_gradients_of_roi_align_are_right_in_double_precision(by_standins: None, mode: str) -> None:
    features = random(2, 2, 6, 7, low=-1).double().requires_grad_()
    rois = torch.tensor([[0, 2.0, 3, 17, 20], [1, -4, 0, 30, 9], [1, 8, 8, 8.5, 9]]).double()
    align = mmcv.ops.RoIAlign((2, 3), 0.25, 2, mode)
    assert gradcheck(lambda x: align(x, rois), features)


# Focal losses


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_sigmoid_focal_loss_is_that_of_the_formula(by_standins: None, reduction: str) -> None:
    logits = random(7, 4, low=-5, high=5).double().requires_grad_()
    target = torch.tensor([0, 1, 2, 3, 4, 4, 0])  # 4 is the background
    is_class = torch.nn.functional.one_hot(target, 5)[:, :4].bool()
    p = logits.sigmoid()
    right, alpha = torch.where(is_class, p, 1 - p), torch.where(is_class, 0.25, 0.75)
    expected = -alpha * (1 - right) ** 2 * right.log()
    expected = expected if reduction == 'none' else expected.sum()
    expected = expected / 7 if reduction == 'mean' else expected
    found = mmcv.ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, reduction)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(x.sum(), logits)[0] for x in (found, expected))
    )


def test_gradients_of_focal_losses_are_right_in_double_precision(by_standins: None) -> None:
    logits = random(6, 4, low=-4, high=4).double().requires_grad_()
    target, weight = torch.tensor([0, 1, 2, 3, 3, 1]), random(4, seed=1).double()
    for loss in (mmcv.ops.sigmoid_focal_loss, mmcv.ops.softmax_focal_loss):
        for weights in (None, weight):
            assert gradcheck(lambda x, f=loss, w=weights: f(x, target, 1.5, 0.3, w, 'sum'), logits)


def test_focal_losses_of_certain_logits_and_of_no_boxes_are_finite(by_standins: None) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    target = torch.tensor([1, 1])
    for loss in (mmcv.ops.sigmoid_focal_loss, mmcv.ops.softmax_focal_loss):
        value = loss(logits, target, 2.0, 0.25, None, 'sum')
        assert value.isfinite()
        assert torch.autograd.grad(value, logits)[0].isfinite().all()
    empty = torch.zeros(0, 2, requires_grad=True)
    loss = mmcv.ops.sigmoid_focal_loss(empty, target[:0], 2.0, 0.25, None, 'sum')
    loss.backward()
    assert loss == 0 and empty.grad.shape == (0, 2)


# Deformable convolution

# batch, channels in, out, groups, offset groups, kernel, stride, padding, dilation, height, width
CONVOLUTIONS = {
    'plain': (2, 4, 6, 1, 1, 3, 1, 1, 1, 6, 7),
    'grouped': (2, 4, 8, 2, 2, 3, 2, 1, 1, 7, 6),
    'dilated': (1, 4, 4, 1, 2, 3, 1, 2, 2, 7, 5),
    'one pixel': (3, 2, 2, 1, 1, 1, 1, 0, 1, 1, 1),
}


def layer_and_inputs(
    name: str, modulated: bool, spread: float
) -> tuple[torch.nn.Module, list[Tensor]]:
    """A layer of mmcv, and features, offsets (and masks): offsets reach outside of the map."""
    n, c, o, groups, d, kernel, stride, padding, dilation, h, w = CONVOLUTIONS[name]
    layer_type = mmcv.ops.ModulatedDeformConv2d if modulated else mmcv.ops.DeformConv2d
    layer = layer_type(c, o, kernel, stride, padding, dilation, groups, d)
    for number, parameter in enumerate(layer.parameters()):
        parameter.data = random(*parameter.shape, seed=number, low=-1)
    ho, wo = ((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for size in (h, w))
    features = random(n, c, h, w, seed=2, low=-1)
    offset = random(n, d * 2 * kernel**2, ho, wo, seed=3, low=-spread, high=spread)
    mask = [random(n, d * kernel**2, ho, wo, seed=4)] if modulated else []
    return layer, [features, offset, *mask]


def run_layer(layer: torch.nn.Module, inputs: list[Tensor]) -> Arrays:
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    layer.zero_grad()
    output = layer(*inputs)
    output.backward(random(*output.shape, seed=5))
    gradients = [tensor.grad for tensor in (*inputs, *layer.parameters())]
    return as_arrays(output=output, **{f'gradient {i}': g for i, g in enumerate(gradients)})


@pytest.mark.parametrize('spread', [0, 3], ids=['on pixels', 'between pixels'])
@pytest.mark.parametrize('modulated', [False, True], ids=['plain', 'modulated'])
@pytest.mark.parametrize('name', CONVOLUTIONS)
def test_deformable_convolution_equals_the_compiled_one(
    references: References, request: pytest.FixtureRequest, name: str, modulated: bool, spread: int
) -> None:
    layer, inputs = layer_and_inputs(name, modulated, spread)
    expected = references.of(
        f'convolution {name} {modulated} {spread}', lambda: run_layer(layer, inputs)
    )
    request.getfixturevalue('by_standins')
    assert_close(run_layer(layer, inputs), expected)
    channels_last = inputs[0].contiguous(memory_format=torch.channels_last)
    assert_close(run_layer(layer, [channels_last, *inputs[1:]]), expected)


@pytest.mark.parametrize('modulated', [False, True], ids=['plain', 'modulated'])
def test_gradients_of_deformable_convolution_are_right_in_double_precision(
    by_standins: None, modulated: bool
) -> None:
    layer, inputs = layer_and_inputs('grouped', modulated, spread=1.9)
    layer, inputs = layer.double(), [tensor.double().requires_grad_() for tensor in inputs]
    assert gradcheck(layer, inputs)
    weight = layer.weight.detach().requires_grad_()
    function = mmcv.ops.modulated_deform_conv2d if modulated else mmcv.ops.deform_conv2d
    bias = [layer.bias] if modulated else []
    assert gradcheck(lambda w: function(*inputs, w, *bias, 2, 1, 1, 2, 2), weight)


@pytest.mark.parametrize('modulated', [False, True], ids=['plain', 'modulated'])
def test_deformable_convolution_under_autocast_is_near_that_in_float32(
    by_standins: None, modulated: bool
) -> None:
    layer, inputs = layer_and_inputs('plain', modulated, spread=3)
    expected = run_layer(layer, inputs)['output']
    # mmcv casts to the type of the offsets, which autocast makes bfloat16.
    inputs[1] = inputs[1].bfloat16()
    with torch.autocast('cpu'):
        found = layer(*inputs)
    assert found.dtype == torch.bfloat16
    np.testing.assert_allclose(found.float().detach().numpy(), expected, atol=0.3)


# The module


def test_other_operators_exist_and_say_so_when_they_are_called() -> None:
    assert hasattr(operators, 'ball_query_forward')
    with pytest.raises(NotImplementedError, match='ball_query_forward needs mmcv with compiled'):
        operators.ball_query_forward(torch.zeros(1), min_radius=0)
    assert not hasattr(operators, '__wrapped__')


def test_versions_are_texts() -> None:
    assert 'hrnet_mm' in operators.get_compiler_version()
    assert operators.get_compiling_cuda_version() == 'not available'
