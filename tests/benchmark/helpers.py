"""A small thing to time, and a contestant started on it."""

from pathlib import Path

import torch

from benchmark.contestants import Contestant, parse
from benchmark.measurements import Started, TrunkJob, start
from benchmark.networks import reference_weights
from benchmark.what_to_time import Case

SMALL = dict(arch='w18_small', size=(64, 64), batch=2)


def started(case: Case, contestant: str | Contestant, folder: Path) -> Started:
    weights = folder / 'weights.pth'
    torch.save(reference_weights(case), weights)
    contestant = parse(contestant) if isinstance(contestant, str) else contestant
    return start(TrunkJob(case, contestant, weights))
