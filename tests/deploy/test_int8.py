"""int8 is near, it is in the convolutions, and what it needs is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.base.difference import relative_difference
from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy import optimize, table
from hrnet_mm.deploy.fused.network import FusedHRNet
from tests.helpers import NECKS, maps_of, small_neck, small_net

openvino = pytest.importorskip('openvino')
needs_nncf = pytest.mark.skipif(find_spec('nncf') is None, reason='nncf is not installed')

NEAR = 0.06  # up to 0.03 was measured; float32 stays below 1e-6, and a map of zeros gives 1
ROUNDED = 1e-3


def images(number: int = 4, size: tuple[int, int] = (64, 96)) -> Iterator[Tensor]:
    return iter(torch.randn(number, 1, 3, *size))


def quantized_model(net: nn.Module, neck: nn.Module | None = None, for_any_cpu: bool = True) -> Any:
    from hrnet_mm.deploy.engines.open_vino import to_openvino
    from hrnet_mm.deploy.engines.open_vino_int8 import quantized

    model = to_openvino(FusedHRNet(net, neck))
    return quantized(model, images(), for_any_cpu)


def nodes_of(model: Any, kind: str) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == kind]


def _is_rounded(convolution: Any) -> bool:
    return convolution.input_value(0).get_node().get_type_name() == 'FakeQuantize'


@needs_nncf
@pytest.mark.parametrize('name', NECKS)
def test_every_neck_is_near_at_every_size(name: str) -> None:
    upsample = 'bilinear' if name == 'v1' else 'nearest'
    net, neck = small_net(upsample=upsample), small_neck(name)
    image = torch.randn(1, 3, 64, 96)
    engine = table.BACKENDS['openvino'].build(FusedHRNet(net, neck), image, 'int8', images())
    for x in (image, torch.randn(2, 3, 93, 127), torch.randn(1, 3, 64, 64)):
        maps, expected = engine(x), maps_of(net, neck, x)
        assert [y.shape for y in maps] == [y.shape for y in expected]
        assert all(y.dtype == torch.float32 for y in maps)
        for actual, exact in zip(maps, expected, strict=True):
            assert ROUNDED < relative_difference([actual], [exact], 2) < NEAR


@needs_nncf
@pytest.mark.parametrize('name', ['v2p', 'cls'])
def test_every_convolution_but_the_stems_runs_in_integers(name: str) -> None:
    model = quantized_model(small_net(), small_neck(name))
    convolutions = nodes_of(model, 'Convolution')
    assert len(convolutions) > 30
    from hrnet_mm.deploy.engines.open_vino_core import core

    compiled = core().compile_model(model, 'CPU')
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    ran = [f for f in facts if f['layerType'].astype(str) == 'Convolution']
    assert len(ran) == len(convolutions)
    kinds = [f['runtimePrecision'].astype(str) for f in ran]
    assert kinds.count('u8') + kinds.count('i8') == len(ran) - 2
    assert not any(_is_rounded(node) for node in convolutions[:2])


@needs_nncf
def test_sums_round_only_what_a_convolution_gives_or_reads() -> None:
    def kinds(values: Any) -> set[str]:
        return {value.get_node().get_type_name() for value in values}

    model = quantized_model(small_net(upsample='bilinear'))
    assert len(nodes_of(model, 'FakeQuantize')) > 30
    for node in nodes_of(model, 'FakeQuantize'):
        read_by = kinds(node.output(0).get_target_inputs())
        assert 'Interpolate' not in read_by
        if read_by == {'Add'}:
            assert 'Convolution' in kinds(node.input_value(0).get_node().input_values())


@needs_nncf
def test_no_number_that_occurs_in_an_image_is_clipped() -> None:
    net, peak = small_net(), 10 * torch.randn(1, 3, 64, 96)
    image = torch.randn(1, 3, 64, 96)
    fast = optimize(net, image, 'int8', 'openvino', iter([*images(7), peak]))
    assert relative_difference(fast(peak), maps_of(net, None, peak), 2) < NEAR


@needs_nncf
@pytest.mark.parametrize(('for_any_cpu', 'half', 'largest'), [(True, 32, 64), (False, 64, 127)])
def test_filters_for_any_cpu_have_seven_bits(for_any_cpu: bool, half: int, largest: int) -> None:
    *_, last = nodes_of(quantized_model(small_net(), for_any_cpu=for_any_cpu), 'Convolution')
    node = last.input_value(1).get_node()
    while node.get_type_name() != 'Constant':
        node = node.input_value(0).get_node()
    assert half < abs(node.get_data().astype(int)).max() <= largest


@needs_nncf
def test_the_model_is_not_changed_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from hrnet_mm.deploy.engines.open_vino import to_openvino
    from hrnet_mm.deploy.engines.open_vino_int8 import quantized

    model = to_openvino(FusedHRNet(small_net(out_indices=(0,))))
    number = len(model.get_ops())
    quantized(model, images(), for_any_cpu=False)
    assert len(model.get_ops()) == number
    assert capfd.readouterr() == ('', '')


@needs_nncf
def test_nothing_is_reported_to_anyone() -> None:
    code = """
import sys
import openvino_telemetry
from hrnet_mm.deploy.engines.open_vino_int8 import import_nncf
from openvino.tools.ovc.telemetry_utils import tm
assert tm.__name__.endswith('telemetry_stub')
import_nncf()
from nncf.telemetry.wrapper import NNCFTelemetry, telemetry
assert not isinstance(telemetry, NNCFTelemetry)
assert sys.modules['openvino_telemetry'] is openvino_telemetry
"""
    subprocess.run([sys.executable, '-c', code], check=True)  # with pytest, NNCF reports nothing


@needs_nncf
def test_optimize_tells_how_near_it_is() -> None:
    net, image = small_net(), torch.randn(1, 3, 64, 96)
    fast = optimize(net, image, 'int8', 'openvino', images())
    assert (fast.backend, fast.precision) == ('openvino', 'int8')
    assert ROUNDED < fast.difference < NEAR
    assert relative_difference(fast(image), maps_of(net, None, image), 2) < NEAR
    assert 0 < optimize(net, image, backend='eager').difference < 1e-5


def test_a_broken_network_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from hrnet_mm.deploy.engines import open_vino as backend

    other = backend.to_openvino(FusedHRNet(small_net()))
    monkeypatch.setattr(backend, 'quantized', lambda *args, **options: other)
    monkeypatch.setattr(table, 'find_spec', lambda name: name)
    with pytest.raises(UserError, match='cannot run the model: a map differs by'):
        optimize(small_net(), torch.randn(1, 3, 64, 96), 'int8', 'openvino', images())


@pytest.mark.parametrize(
    ('precision', 'calibration', 'error', 'message'),
    [
        ('int8', None, ValueError, "precision='int8' needs calibration=IMAGES: about 100"),
        ('int8', [], ValueError, 'needs calibration=IMAGES'),
        ('int8', [torch.rand(3, 64, 64)], ValueError, r'calibration\[0\] has shape \(3, 64, 64\)'),
        ('int8', [torch.rand(1, 3, 64, 64), 'a.jpg'], TypeError, r'calibration\[1\] must be an im'),
        ('int8', 100, TypeError, 'calibration must be a list of images, each .*, not a int'),
        ('int8', [torch.full((1, 3, 64, 64), torch.nan)], ValueError, r'calibration\[0\] has NaN'),
        ('fp32', [torch.rand(1, 3, 64, 64)], ValueError, "is for precision='int8', not for 'fp32'"),
    ],
    ids=['none', 'empty', 'no-batch', 'file-name', 'number', 'nan', 'not-int8'],
)
def test_wrong_calibration(
    precision: str, calibration: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        optimize(small_net(), torch.randn(1, 3, 64, 64), precision, calibration=calibration)


def test_other_backends_and_machines_say_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    net, image = small_net(), torch.randn(1, 3, 64, 64)
    with pytest.raises(UserError, match="backend='onnxruntime' computes in fp32, not in int8"):
        optimize(net, image, 'int8', 'onnxruntime', images())
    monkeypatch.setattr(table, 'find_spec', lambda name: None if name == 'nncf' else name)
    with pytest.raises(UserError, match=r"backend='openvino' needs nncf \(pip install nncf\)"):
        optimize(net, image, 'int8', 'openvino', images())
    assert table.suitable_backends(torch.device('cuda'), 'int8') == []


def test_without_nncf_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'nncf', None)
    with pytest.raises(UserError, match=r'int8 needs nncf \(pip install nncf\)'):
        quantized_model(small_net())
