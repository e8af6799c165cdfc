"""A small workload, and a candidate's first result on it."""

from pathlib import Path

import torch

from benchmark.candidates import Candidate, parse
from benchmark.compare import TrunkBenchmark
from benchmark.measure import Started, start
from benchmark.networks import Workload, reference_weights

SMALL = dict(arch='w18_small', size=(64, 64), batch=2)


def benchmark_of(workload: Workload, candidate: str | Candidate, folder: Path) -> TrunkBenchmark:
    weights = folder / 'weights.pth'
    torch.save(reference_weights(workload), weights)
    candidate = parse(candidate) if isinstance(candidate, str) else candidate
    return TrunkBenchmark(workload, candidate, weights)


def started(workload: Workload, candidate: str | Candidate, folder: Path) -> Started:
    return start(benchmark_of(workload, candidate, folder))
