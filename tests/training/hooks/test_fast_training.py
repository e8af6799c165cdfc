"""Faster training changes no number in float32, little in bf16, and nothing that is saved."""

from copy import deepcopy

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.torch_version import TorchVersion

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.torch_versions import cpu_autocast_dtype
from hrnet_mm.models import HRNet
from hrnet_mm.training.hooks import FastTrainingHook
from hrnet_mm.training.hooks.fast_training import COMPILING_TORCH, compile_regions, use_autocast
from tests.configs.tiny import build
from tests.helpers import needs_torch, relative_difference

DETECTOR = 'demo/mask_rcnn_hrnetv2p_w18_small_synthetic_320x256.py'
SEGMENTOR = 'demo/fcn_hrnetv2_w18_small_synthetic_320x256.py'
POSE = 'demo/hrnet_small_synthetic_128x96.py'


@pytest.mark.parametrize('config', [POSE, SEGMENTOR, DETECTOR])
def test_bf16_is_for_training_alone(config: str) -> None:
    model, image = build(config), torch.randn(2, 3, 64, 96)
    fast = deepcopy(model)
    use_autocast(fast, torch.bfloat16)
    with torch.no_grad():
        maps = [net.eval().extract_feat(image) for net in (fast, model)]
    assert all(torch.equal(a, b) for a, b in zip(*maps, strict=True))
    model.train(), fast.train()
    actual, expected = (net.extract_feat(image) for net in (fast, model))
    assert all(y.dtype == torch.float32 for y in actual)
    assert 0 < relative_difference(actual[0], expected[0]) < 0.2
    assert cpu_autocast_dtype() is None


def test_autocast_ends_where_two_hooks_have_begun_it() -> None:
    model = build(POSE).train()
    for _ in range(2):
        use_autocast(model, torch.bfloat16)
    assert model.extract_feat(torch.randn(1, 3, 64, 96))[0].dtype == torch.float32
    assert cpu_autocast_dtype() is None


def test_autocast_ends_where_the_forward_pass_fails() -> None:
    model = build(POSE)
    use_autocast(model, torch.bfloat16)
    with pytest.raises(RuntimeError):
        model.extract_feat(torch.randn(1, 5, 64, 96))
    assert cpu_autocast_dtype() is None


@pytest.mark.slow
@needs_torch(COMPILING_TORCH, 'the compiling of regions')
def test_regions_of_one_structure_are_compiled_once() -> None:
    net = HRNet('w18_small_v2')
    fast, image = deepcopy(net), torch.randn(2, 3, 64, 64)
    torch._dynamo.reset()
    counter = CompileCounterWithBackend('aot_eager')
    assert compile_regions(fast, backend=counter) == 1 + 1 + 3 + 2 == 7
    for module in (net, fast):
        sum(y.square().mean() for y in module(image)).backward()
    assert counter.frame_count == 4  # layer1, and one for each stage
    for a, b in zip(fast.parameters(), net.parameters(), strict=True):
        assert relative_difference(a.grad, b.grad) < 1e-4
    assert list(fast.state_dict()) == list(net.state_dict())
    copied = deepcopy(fast)  # as the hook for exponential moving averages does
    with torch.no_grad():
        next(copied.parameters()).zero_()
    assert not torch.equal(copied.eval()(image)[0], fast.eval()(image)[0])


def test_a_precision_that_it_has_not_is_named() -> None:
    with pytest.raises(ValueError, match="precision='fp16' must be one of fp32, bf16"):
        FastTrainingHook('fp16')


def test_an_older_torch_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, '__version__', TorchVersion('2.5.1+cpu'))
    sentence = r'FastTrainingHook\(compile=True\) needs torch 2\.6 or newer; this is 2\.5\.1'
    with pytest.raises(UserError, match=sentence):
        FastTrainingHook(compile=True)
    assert FastTrainingHook().compile is None
