"""A contestant in a case, from nothing to its first result."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from benchmark.contestants import Contestant
from benchmark.memory import step_peak
from benchmark.networks import build_trunk, load_weights
from benchmark.steps import Program, inference_program, training_program
from benchmark.what_to_time import Case, LeftOut
from hrnet_mm.base.difference import relative_difference

MODULES = dict(
    ours='hrnet_mm.models',
    mmpose='mmpose.models',
    mmdet='mmdet.models',
    mmseg='mmseg.models',
    timm='timm',
    compile='torch._inductor.compile_fx',
    freeze='torch._inductor.compile_fx',
    max_autotune='torch._inductor.compile_fx',
    optimised='hrnet_mm.deploy',
    onnxruntime='onnxruntime',
    openvino='openvino',
)
NECKS = dict(seg='mmseg.models', det='mmdet.models')


class Job(Protocol):
    """Something that can be built, run and timed, here or in a process of its own."""

    device: str

    def __str__(self) -> str:
        """What it is called in a table."""

    def modules(self) -> list[str]:
        """What it imports."""

    def network(self) -> nn.Module:
        """The network on its device, with its weights."""

    def program(self, net: nn.Module) -> Program:
        """The network compiled, exported, or as it is."""


@dataclass(frozen=True)
class TrunkJob:
    """A contestant in a case; ``weights`` is a file of what ``reference_weights`` gives."""

    case: Case
    contestant: Contestant
    weights: Path

    def __str__(self) -> str:
        return str(self.contestant)

    @property
    def device(self) -> str:
        return self.case.device

    def modules(self) -> list[str]:
        contestant, names = self.contestant, []
        names.append(MODULES[contestant.network])
        if contestant.network != 'ours' and self.case.task in NECKS:
            names.append(NECKS[self.case.task])
        if contestant.execution in MODULES:
            names.append(MODULES[contestant.execution])
        return names

    def network(self) -> nn.Module:
        trunk = build_trunk(self.contestant.network, self.case, self.contestant.with_cp)
        load_weights(trunk, torch.load(self.weights, weights_only=True, mmap=True))
        return trunk.to(self.case.device)

    def program(self, net: nn.Module) -> Program:
        make = training_program if self.case.mode == 'train' else inference_program
        return make(self.contestant, net, self.case.image())


@dataclass(frozen=True)
class Started:
    """A job that has given its first result.

    Attributes:
        program: to be called again.
        evidence: the first result, on the CPU in float32.
        gradient: of the first training step likewise; empty in inference.
        params: parameters of the network.
        step_bytes: of :func:`step_peak`, in training.
        build_seconds: for the network and its weights.
        first_seconds: to compile or export it and to give the first result.
    """

    program: Program
    evidence: tuple[Tensor, ...]
    gradient: tuple[Tensor, ...]
    params: int
    step_bytes: int | None
    build_seconds: float
    first_seconds: float


def start(job: Job) -> Started:
    """Import, build and run a job once.

    Raises:
        LeftOut: it cannot take part.
    """
    import_modules(job)
    begin = time.perf_counter()
    net = job.network()
    params = sum(parameter.numel() for parameter in net.parameters())
    built = time.perf_counter()
    program = job.program(net)
    evidence = _kept(program.evidence())
    first = time.perf_counter()
    gradient = () if program.gradient is None else _kept((program.gradient(),))
    step_bytes = None
    if program.gradient is not None:
        step_bytes = step_peak(net, program.call, job.device)
    return Started(
        program=program,
        evidence=evidence,
        gradient=gradient,
        params=params,
        step_bytes=step_bytes,
        build_seconds=built - begin,
        first_seconds=first - built,
    )


def _kept(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copies, since an engine may use the memory of its outputs again."""
    return tuple(x.detach().float().cpu().clone() for x in tensors)


def import_modules(job: Job) -> None:
    """Import what a job needs, ahead of all that is timed.

    Raises:
        LeftOut: something is not installed.
    """
    for name in job.modules():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise LeftOut(f'{error.name} is not installed') from error


def difference(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """The largest difference of any tensor, relative to the largest number in it; 0 of none.

    Raises:
        LeftOut: they have other shapes, or are not finite.
    """
    shapes = [[tuple(y.shape) for y in outputs] for outputs in (actual, expected)]
    if shapes[0] != shapes[1]:
        raise LeftOut(f'it gives {shapes[0]}, and the reference {shapes[1]}')
    if not all(torch.isfinite(y).all() for y in actual):
        raise LeftOut('it gives numbers that are not finite')
    return relative_difference(actual, expected)
