"""However a network is run, its outputs stay the same; what cannot run so is left out."""

from pathlib import Path

import pytest
import torch

from benchmark.candidates import LeftOut
from benchmark.compare import difference
from benchmark.networks import Workload
from hrnet_mm.training.hooks.fast_training import COMPILING_TORCH
from tests.benchmark.helpers import SMALL, outputs_of_ours, started
from tests.helpers import needs_cp_of_norms, needs_float16, needs_torch

ROUNDING = dict(fp32=1e-4, bf16=0.1, int8=1.0)


@pytest.mark.parametrize(
    'candidate',
    [
        'ours+channels_last',
        'mmpose+channels_last',
        'ours@bf16',
        'ours+cast@bf16',
        'optimised',
        'optimised:eager',
        'onnxruntime',
        'onnxruntime@int8',
        'openvino',
        'openvino@bf16',
        'openvino@int8',
        'optimised@int8',
    ],
)
def test_inference_stays_the_same(candidate: str, tmp_path: Path) -> None:
    for library in ('onnxruntime', 'openvino', 'nncf'):
        if library in candidate or 'int8' in candidate:
            pytest.importorskip(library)
    workload = Workload('backbone', **SMALL)
    expected = outputs_of_ours(workload)
    try:
        found = started(workload, candidate, tmp_path)
    except LeftOut as reason:
        assert 'on this CPU' in str(reason)  # bf16 needs a recent one
        pytest.skip(str(reason))
    precision = candidate.partition('@')[2] or 'fp32'
    again = found.step.outputs()
    for outputs in (found.outputs, tuple(y.float() for y in again)):
        assert 0 < difference(outputs, expected) < ROUNDING[precision]


@pytest.mark.slow
@pytest.mark.parametrize('execution', ['compile', 'freeze'])
def test_compiled_inference_stays_the_same(execution: str, tmp_path: Path) -> None:
    workload = Workload('pose', **SMALL)
    expected = outputs_of_ours(workload)
    found = started(workload, f'mmpose+{execution}', tmp_path).outputs
    assert 0 < difference(found, expected) < ROUNDING['fp32']


@needs_torch(COMPILING_TORCH, 'the compiling of regions')
def test_regions_are_ours(tmp_path: Path) -> None:
    with pytest.raises(LeftOut, match='only ours has regions'):
        started(Workload('pose', mode='train', **SMALL), 'mmpose+regions', tmp_path)


@pytest.mark.parametrize(
    ('candidate', 'of_maps', 'of_gradient'),
    [
        ('ours+cp', 0, 0),
        pytest.param('ours+cp_norm', 0, 0, marks=needs_cp_of_norms),
        ('ours+cp_module', 0, 0),
        ('mmpose+cp', 0, 0),
        ('ours+channels_last', 1e-5, 1e-3),
        pytest.param('ours@fp16', 0.05, 0.5, marks=needs_float16),
    ],
)
def test_training_stays_the_same(
    candidate: str, of_maps: float, of_gradient: float, tmp_path: Path
) -> None:
    # Sums in one order: a rounding that moves a number past a ReLU shows in every gradient.
    torch.set_num_threads(1)
    workload = Workload('pose', mode='train', **(SMALL | dict(size=(128, 128))))
    expected = started(workload, 'ours', tmp_path)
    found = started(workload, candidate, tmp_path)
    assert difference(found.outputs, expected.outputs) <= of_maps
    assert difference(found.gradient, expected.gradient) <= of_gradient
    if '+cp' in candidate:
        assert found.step_bytes < expected.step_bytes


def test_a_training_step_learns(tmp_path: Path) -> None:
    step = started(Workload('pose', mode='train', **SMALL), 'ours', tmp_path).step
    losses = []
    for _ in range(2):
        losses.append(float(step.call.loss()))
        step.call.optimizer.param_groups[0]['lr'] = 0.1
        step.call()
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ('candidate', 'mode', 'reason'),
    [
        ('onnxruntime', 'train', 'it only infers'),
        ('ours+cast@bf16', 'train', 'it only infers'),
        ('ours@int8', 'train', 'no training in int8'),
        ('ours@int8', 'infer', 'PyTorch has no int8 form of it'),
        ('ours+cp', 'infer', 'no backward pass'),
        ('onnxruntime@bf16', 'infer', 'ONNX Runtime has no bf16'),
        ('openvino+channels_last', 'infer', 'itself chooses'),
        ('mmpose+optimised', 'infer', 'takes our HRNet'),
        ('optimised', 'train', 'it only infers'),
    ],
)
def test_what_cannot_run_is_left_out(
    candidate: str, mode: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(LeftOut, match=reason):
        started(Workload('pose', mode=mode, **SMALL), candidate, tmp_path)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__('sys').modules, 'onnxruntime', None)
    with pytest.raises(LeftOut, match='onnxruntime is not installed'):
        started(Workload('pose', **SMALL), 'onnxruntime', tmp_path)


def test_the_same_images_for_everybody() -> None:
    workload = Workload('pose', **SMALL)
    assert torch.equal(workload.image(), workload.image())


@pytest.mark.parametrize('task', ['pose', 'seg', 'det'])
def test_the_optimised_network_has_the_neck_of_the_task(task: str, tmp_path: Path) -> None:
    workload = Workload(task, **SMALL)
    expected = outputs_of_ours(workload)
    found = started(workload, 'ours+optimised:eager', tmp_path)
    assert found.step.backend == 'eager'
    assert difference(found.outputs, expected) < ROUNDING['fp32']
