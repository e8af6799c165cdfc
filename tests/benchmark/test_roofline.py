"""The roofline is the least time of every layer, at the machine's measured limits."""

import pytest
import torch

from benchmark.networks import Workload, our_trunk
from benchmark.roofline import Layer, Peaks, Work, measured_peaks, work_of


@pytest.mark.parametrize('task', ['pose', 'seg', 'det'])
def test_the_layers_make_up_all_operations(task: str) -> None:
    with torch.device('meta'):
        net = our_trunk(Workload(task, 'w18_small'))
    work = work_of(net, batch=3, size=(64, 96), trains=False)
    assert work.operations == sum(layer.operations for layer in work.layers)
    training = work_of(net, batch=3, size=(64, 96), trains=True)
    assert training.operations == 3 * work.operations
    assert training.params == sum(parameter.numel() for parameter in net.parameters())


def test_counts_a_known_network() -> None:
    with torch.device('meta'):
        net = our_trunk(Workload('pose', 'w32'))
    work = work_of(net, batch=1, size=(256, 192), trains=False)
    # 7.645 GMACs of the whole model (tools/complexity.py), less its head's 17 1x1 filters.
    assert work.operations / 2e9 == pytest.approx(7.645 - 17 * 32 * 64 * 48 / 1e9, abs=5e-4)


def test_a_layer_is_bound_by_arithmetic_or_by_memory() -> None:
    layers = (Layer(operations=1000, numbers=1), Layer(operations=1, numbers=500))
    work = Work(params=0, operations=1001, layers=layers, passes=3)
    peaks = Peaks(dict(fp32=100.0, bf16=200.0), bytes=40.0)
    assert work.least_seconds(peaks, 'fp32') == pytest.approx(3 * (1000 / 100 + 500 * 4 / 40))
    assert work.least_seconds(peaks, 'bf16') == pytest.approx(3 * (1000 / 200 + 500 * 2 / 40))
    assert work.least_seconds(peaks, 'int8') is None


def test_measures_floating_point_and_memory() -> None:
    peaks = measured_peaks('cpu', ['fp32', 'bf16', 'int8'], side=64, num_bytes=2**16, seconds=0.01)
    assert set(peaks.operations) == {'fp32', 'bf16'}
    assert all(rate > 0 for rate in (*peaks.operations.values(), peaks.bytes))
