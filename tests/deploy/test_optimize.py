"""``optimize`` on whole models of the hosts, on a bare network, and on what it cannot take."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.torch_versions import is_older_than
from hrnet_mm.deploy import optimize, table
from hrnet_mm.deploy.optimize import optimize_on_first_image
from hrnet_mm.deploy.trunk import OptimizedFeatures
from hrnet_mm.models import HRNet
from hrnet_mm.takeover.switch import undo
from tests.deploy.helpers import Tiny
from tests.helpers import (
    assert_same,
    picture,
    randomize,
    ready,
    relative_difference,
    small_extra,
    small_net,
)
from tests.models_of_hosts import TinyModel

Predict = Callable[[nn.Module, np.ndarray], Any]


APIS = dict(  # the host, its functions that load a model and that run it
    face=('mmpose', 'init_model', 'inference_topdown'),
    bottom_up=('mmpose', 'init_model', 'inference_bottomup'),
    segmentation=('mmseg', 'init_model', 'inference_model'),
    detection=('mmdet', 'init_detector', 'inference_detector'),
)


def by_apis(name: str, files: TinyModel) -> tuple[nn.Module, Predict]:
    host, load, run = APIS[name]
    apis = importlib.import_module(f'{host}.apis')
    model = getattr(apis, load)(files.config, files.checkpoint, device='cpu')
    return model, getattr(apis, run)


def classifier(files: TinyModel) -> tuple[nn.Module, Predict]:
    from mmpretrain.apis import ImageClassificationInferencer

    inferencer = ImageClassificationInferencer(files.config, files.checkpoint, device='cpu')

    def predict(model: nn.Module, image: np.ndarray) -> list[dict[str, Any]]:
        inferencer.model = model
        return inferencer(image)

    return inferencer.model, predict


@pytest.fixture(scope='module', params=[*APIS, 'classification'])
def host(request: pytest.FixtureRequest, tiny: Tiny) -> tuple[nn.Module, Predict]:
    """A host's model, and its own function that runs such models."""
    torch.manual_seed(0)
    name = request.param
    model, predict = by_apis(name, tiny(name)) if name in APIS else classifier(tiny(name))
    if name == 'detection':
        # Masks of scores, 0 to 255, as a pixel at the threshold may fall to either side of it.
        model.roi_head.test_cfg.mask_thr_binary = -1
    return randomize(model), predict


@pytest.mark.parametrize('backend', ['auto', 'openvino', 'onnxruntime', 'eager'])
def test_the_hosts_own_functions_predict_the_same(
    host: tuple[nn.Module, Predict], backend: str
) -> None:
    model, predict = host
    image, example = picture(96, 128, seed=1), torch.randn(1, 3, 96, 128)
    if backend != 'auto' and (lack := table.BACKENDS[backend].what_is_missing(torch.device('cpu'))):
        pytest.skip(lack)
    fast = optimize(model, example, backend=backend)
    assert type(fast) is type(model) and fast is not model
    with torch.no_grad():
        assert_same(as_list(fast.extract_feat(example)), as_list(model.extract_feat(example)))
    actual, expected = (numbers_of(predict(m, image)) for m in (fast, model))
    assert actual.keys() == expected.keys() and sum(x.numel() for x in expected.values()) > 3
    for key, value in expected.items():
        step = 1 if key.endswith('masks') else 1e-3  # of scores that are rounded down
        assert torch.allclose(actual[key], value, rtol=1e-3, atol=step), key


def as_list(maps: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [maps] if isinstance(maps, Tensor) else list(maps)


def numbers_of(prediction: Any) -> dict[str, Tensor]:
    """Every array of numbers in it, or in the first of several, by its name."""
    if isinstance(prediction, list):
        prediction = prediction[0]
    numbers = {}
    items = prediction.all_items() if hasattr(prediction, 'all_items') else prediction.items()
    for key, value in items:
        if hasattr(value, 'all_items'):
            numbers |= {f'{key}.{k}': v for k, v in numbers_of(value).items()}
        elif isinstance(value, Tensor | np.ndarray):
            numbers[key] = torch.as_tensor(value).double()
    return numbers


def test_an_optimised_model_keeps_head_and_original(tiny: Tiny) -> None:
    model, _ = by_apis('segmentation', tiny('segmentation'))
    keys = list(model.state_dict())
    fast = optimize(model, torch.randn(1, 3, 64, 64), backend='eager')
    assert list(model.state_dict()) == keys and isinstance(model.backbone, HRNet)
    assert fast.decode_head is model.decode_head and fast.neck is None
    assert fast.data_preprocessor is model.data_preprocessor
    assert {key.split('.')[0] for key in fast.state_dict()} == {'decode_head'}
    assert (fast.backbone.backend, fast.backbone.precision) == ('eager', 'fp32')


def test_a_neck_that_is_not_ours_stays() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.neck = small_net(), nn.Conv2d(8, 4, 1)

        def forward(self, image: Tensor) -> Tensor:
            return self.neck(self.backbone(image)[0])

    model, image = Model().eval(), torch.randn(1, 3, 64, 64)
    fast = optimize(model, image, backend='eager')
    assert fast.neck is model.neck
    assert_same([fast(image)], [model(image)])


@pytest.mark.parametrize('name', ['mmpose', 'mmdet', 'mmseg', 'mmpretrain'])
def test_stand_ins_return_what_their_host_expects(name: str) -> None:
    stand_ins = importlib.import_module(f'hrnet_mm.takeover.for_{name}')
    extra = small_extra()
    extra['stage4']['multiscale_output'] = True
    try:
        net = ready(stand_ins.HRNet(extra=extra))
        image = torch.randn(1, 3, 64, 64)
        fast, expected = optimize(net, image, backend='eager')(image), net(image)
        assert type(fast) is type(expected)
        assert_same(fast, expected)
        assert all(x.is_contiguous() for x in fast)
    finally:
        undo()


def test_bf16_is_near_and_outputs_are_float32() -> None:
    net, image = small_net(), torch.randn(1, 3, 64, 64)
    maps = optimize(net, image, precision='bf16', backend='eager')(image)
    for actual, expected in zip(maps, net(image), strict=True):
        assert actual.dtype == torch.float32
        assert 0 < relative_difference(actual, expected) < 3e-2


def test_auto_takes_the_next_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, 'find_compiler', lambda: None)
    monkeypatch.setattr(table, 'find_spec', lambda name: None)
    net, image = small_net(), torch.randn(1, 3, 64, 64)
    with pytest.warns(UserWarning, match='eager is used') as caught:
        fast = optimize(net, image)
    assert fast.backend == 'eager' and len(caught) == 1 and caught[0].filename == __file__
    lack = 'needs a C++ compiler (g++ or clang++)'
    if is_older_than('2.5'):
        lack = f'needs torch 2.5 or newer, and this is {torch.__version__}'
    assert str(caught[0].message) == (
        "backend='native' needs a C++ compiler (g++ or clang++); "
        "backend='openvino' needs openvino (pip install openvino); "
        "backend='onnxruntime' needs onnx and onnxruntime (pip install onnx onnxruntime); "
        f"backend='inductor' {lack}: eager is used"
    )


@pytest.mark.parametrize('precision', ['bf16', 'fp16', 'int8'])
def test_auto_takes_fp32_where_the_cpu_has_nothing_faster(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('hrnet_mm.kernels.cpu.instructions', frozenset)
    net, image = small_net(), torch.randn(1, 3, 64, 64)
    calibration = [image] if precision == 'int8' else None
    with pytest.warns(UserWarning, match=f'no {precision} arithmetic: fp32 is used') as caught:
        fast = optimize(net, image, precision, calibration=calibration)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert fast.precision == 'fp32'
    assert_same(fast(image), net(image))


def test_a_backend_that_miscomputes_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    net, image = small_net(), torch.randn(1, 3, 64, 64)
    monkeypatch.setattr(
        'hrnet_mm.deploy.fused.layers.FusedConv.forward',
        lambda self, x, add=None: self.conv(x) if add is None else self.conv(x) + 1.1 * add,
    )
    with pytest.raises(UserError, match="backend='eager' cannot run the model: a map differs by"):
        optimize(net, image, backend='eager')


def test_a_backend_that_cannot_says_why() -> None:
    with pytest.raises(UserError, match="='native' computes in fp32, bf16, int8, not in fp16"):
        optimize(small_net(), torch.randn(1, 3, 64, 64), 'fp16', 'native')
    reason = table.BACKENDS['native'].why_unsuitable(torch.device('cuda'), 'fp32')
    assert reason == 'runs on cpu, and the model is on cuda'


def other_backbone() -> nn.Module:
    model = nn.Module()
    model.backbone = importlib.import_module('mmpose.models').HRNet(small_extra())
    return model.eval()


@pytest.mark.parametrize(
    ('model', 'error', 'message'),
    [
        (lambda: small_net().train(), ValueError, 'is in training mode; call model.eval'),
        (lambda: nn.Conv2d(3, 3, 1).eval(), TypeError, 'whose backbone is one, not a Conv2d;'),
        (other_backbone, TypeError, 'not a Module with a HRNet of mmpose.*takeover'),
    ],
)
def test_models_that_cannot_be_optimised(
    model: Callable[[], nn.Module], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        optimize(model(), torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        (dict(precision='int4'), ValueError, "precision='int4' must be one of fp32, bf16, fp16"),
        (dict(backend='tensorrt'), ValueError, "backend='tensorrt' must be one of auto, native"),
        (dict(backend='cudagraph'), ValueError, 'onnxruntime, inductor, eager$'),
        (dict(example_input=(1, 3, 64, 64)), TypeError, 'must be an image tensor, not a tuple'),
        (dict(example_input=torch.randn(3, 64, 64)), ValueError, r'has shape \(3, 64, 64\)'),
        (dict(example_input=torch.full((1, 3, 64, 64), torch.nan)), ValueError, 'gives NaN'),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else '',
)
def test_wrong_arguments(options: dict, error: type[Exception], message: str) -> None:
    arguments = dict(example_input=torch.randn(1, 3, 64, 64)) | options
    with pytest.raises(error, match=message):
        optimize(small_net(), **arguments)


def test_the_engine_is_made_for_the_first_image_and_kept() -> None:
    net = small_net()
    fast = optimize_on_first_image(net, backend='eager')
    assert fast.features is None and not list(fast.parameters())
    for size in [(64, 96), (33, 47)]:
        image = torch.randn(1, 3, *size)
        assert_same(fast(image), net(image))
    features = fast.features
    assert isinstance(features, OptimizedFeatures)
    fast(image)
    assert fast.features is features


def test_what_cannot_be_optimised_is_told_before_an_image_comes() -> None:
    with pytest.raises(ValueError, match="precision='fp8' must be one of fp32, bf16, fp16"):
        optimize_on_first_image(HRNet('w18_small').eval(), precision='fp8')
    with pytest.raises(TypeError, match='hrnet_mm.takeover'):
        optimize_on_first_image(nn.Conv2d(3, 3, 1).eval())
