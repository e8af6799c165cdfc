"""Every backend gives the network's numbers, for the shape it was made for and for others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import BACKENDS, DTYPES, FORMATS, suitable_backends
from tests.helpers import (
    NECKS,
    assert_same,
    maps_of,
    needs_float16,
    relative_difference,
    small_neck,
    small_net,
)

CPU = torch.device('cpu')
HALF_TOLERANCES = dict(bf16=3e-2, fp16=5e-3)


def built(name: str, net, neck, image: Tensor, precision: str = 'fp32'):
    reason = BACKENDS[name].what_is_missing(CPU)
    if reason:
        pytest.skip(reason)
    return BACKENDS[name].build(FusedHRNet(net, neck), image, precision)


@pytest.mark.parametrize('neck', NECKS)
@pytest.mark.parametrize('name', ['eager', 'native', 'openvino', 'onnxruntime'])
def test_every_neck_at_every_shape(name: str, neck: str) -> None:
    net, neck = small_net(upsample='bilinear'), small_neck(neck)
    image = torch.randn(2, 3, 128, 96)
    engine = built(name, net, neck, image)
    for x in (image, torch.randn(1, 3, 93, 127), torch.randn(3, 3, 33, 47)):
        assert_same(engine(x), maps_of(net, neck, x))


@pytest.mark.parametrize('options', [{}, dict(upsample='bilinear', align_corners=True)], ids=str)
@pytest.mark.parametrize('name', ['eager', 'native', 'openvino', 'onnxruntime'])
def test_every_upsampling_at_odd_sizes(name: str, options: dict) -> None:
    net = small_net(**options)
    image = torch.randn(1, 3, 64, 64)
    engine = built(name, net, None, image)
    for size in [(33, 47), (255, 191)]:
        x = torch.randn(1, 3, *size)
        assert_same(engine(x), maps_of(net, None, x))


@pytest.mark.slow
def test_inductor_freezes_and_takes_other_shapes_and_threads() -> None:
    net, neck = small_net(out_indices=(0,)), None
    image = torch.randn(1, 3, 64, 64)
    engine = built('inductor', net, neck, image)
    images = [image, torch.randn(2, 3, 64, 96), torch.randn(1, 3, 64, 64)]
    with ThreadPoolExecutor(max_workers=4) as threads:
        for x, maps in zip(images * 4, threads.map(engine, images * 4), strict=True):
            assert_same(maps, maps_of(net, neck, x))
    assert not torch._inductor.config.freezing


def test_a_gpu_gets_cuda_graphs_by_torch_compile() -> None:
    assert suitable_backends(torch.device('cuda'), 'fp16')[0].name == 'inductor'
    from hrnet_mm.deploy.engines import torch_compiled

    modes = torch._inductor.list_mode_options()
    assert modes[torch_compiled.MODE]['triton.cudagraphs']


@pytest.mark.parametrize('name', ['eager', 'native', 'openvino', 'onnxruntime'])
def test_results_are_not_overwritten_by_the_next_call(name: str) -> None:
    net = small_net()
    images = torch.randn(2, 1, 3, 64, 64)
    engine = built(name, net, None, images[0])
    first = engine(images[0])
    engine(images[1])
    assert_same(first, maps_of(net, None, images[0]))


@pytest.mark.parametrize('neck', ['none', 'v2', 'v2p', 'cls'])
@pytest.mark.parametrize(
    ('name', 'precision'),
    [
        ('eager', 'bf16'),
        pytest.param('eager', 'fp16', marks=needs_float16),
        ('native', 'bf16'),
        ('openvino', 'bf16'),
    ],
)
def test_half_precision_is_near(name: str, precision: str, neck: str) -> None:
    net, neck = small_net(upsample='bilinear'), small_neck(neck)
    image = torch.randn(2, 3, 95, 61)
    try:
        maps = built(name, net, neck, image, precision)(image)
    except NotImplementedError as error:
        pytest.skip(str(error))
    for actual, expected in zip(maps, maps_of(net, neck, image), strict=True):
        assert actual.dtype == torch.float32
        assert 0 < relative_difference(actual, expected) < HALF_TOLERANCES[precision]


@pytest.mark.parametrize('name', ['native', 'openvino', 'onnxruntime'])
def test_what_cannot_be_translated_is_named(name: str) -> None:
    net = small_net(norm_cfg=dict(type='GN', num_groups=2))
    with pytest.raises(NotImplementedError, match='GroupNorm has no translation'):
        built(name, net, None, torch.randn(1, 3, 64, 64))


def test_onnx_passes_its_own_checker() -> None:
    onnx = pytest.importorskip('onnx')
    from hrnet_mm.deploy.engines.onnx_runtime import to_onnx

    model = to_onnx(FusedHRNet(small_net(upsample='bilinear'), small_neck('v2p')))
    onnx.checker.check_model(model, full_check=True)
    assert [o.name for o in model.graph.output] == [f'map{i}' for i in range(5)]
    assert not any(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[2:])


def test_the_fastest_is_first_and_one_that_always_works_is_last() -> None:
    names = dict(cpu=list(BACKENDS), cuda=['inductor', 'eager'], mps=['eager'])
    for device, backends in names.items():
        assert [b.name for b in suitable_backends(torch.device(device), 'fp32')] == backends
        for precision in DTYPES:
            last = suitable_backends(torch.device(device), precision)[-1]
            assert last.name == 'eager' and last.what_is_missing(torch.device(device)) is None


def test_openvino_does_not_take_another_precision_silently() -> None:
    pytest.importorskip('openvino')
    from hrnet_mm.deploy.engines.open_vino import has_arithmetic

    if has_arithmetic(torch.float16):
        pytest.skip('this CPU has fp16')
    with pytest.raises(NotImplementedError, match='no f16 arithmetic'):
        built('openvino', small_net(), None, torch.randn(1, 3, 64, 64), 'fp16')


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('hrnet_mm.deploy.table.find_spec', lambda name: None)
    reason = BACKENDS['onnxruntime'].what_is_missing(CPU)
    assert reason == 'needs onnx and onnxruntime (pip install onnx onnxruntime)'


def test_a_newer_torch_that_is_needed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, '__version__', TorchVersion('2.1.2+cu121'))
    reason = BACKENDS['inductor'].what_is_missing(CPU)
    assert reason == 'needs torch 2.5 or newer, and this is 2.1.2+cu121'
    with pytest.raises(
        UserError, match=r'torch\.export program needs torch 2\.6 or newer; this is'
    ):
        FORMATS['torch_program'].check(Path('x.pt2'), 'fp32')
