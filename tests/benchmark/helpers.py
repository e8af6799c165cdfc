"""A small workload, and a candidate's first result on it."""

import functools
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from benchmark.candidates import parse
from benchmark.compare import TrunkBenchmark
from benchmark.measure import Started, start
from benchmark.networks import Workload, reference_weights

SMALL = dict(arch='w18_small', size=(64, 64), batch=2)


def benchmark_of(workload: Workload, candidate: str, folder: Path) -> TrunkBenchmark:
    weights = folder / 'weights.pth'
    torch.save(reference_weights(workload), weights)
    return TrunkBenchmark(workload, parse(candidate), weights)


def started(workload: Workload, candidate: str, folder: Path) -> Started:
    return start(benchmark_of(workload, candidate, folder))


@functools.cache
def outputs_of_ours(workload: Workload) -> tuple[Tensor, ...]:
    with tempfile.TemporaryDirectory() as folder:
        return started(workload, 'ours', Path(folder)).outputs
