"""Candidates side by side on one workload: built, compared, timed in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from benchmark.candidates import Candidate, LeftOut, parse
from benchmark.measure import Isolated, Measured, Report, Settings, Started, measure, start
from benchmark.networks import Workload, build_trunk, load_weights, our_trunk, reference_weights
from benchmark.roofline import Peaks, Work, work_of
from benchmark.steps import Step, inference_step, training_step
from benchmark.timing import speedups, spread_of
from hrnet_mm.base.difference import relative_difference
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load

REFERENCE = Candidate('ours')  # in fp32, eager: what all outputs are compared with
# Far above rounding, far below what another function gives; only fp32 is held to them. Through a
# hundred layers with random weights, rounding grows to percents of the gradient of the first one.
TOLERANCE, GRADIENT_TOLERANCE = 1e-2, 0.5
# What a network or an execution imports.
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


@dataclass(frozen=True)
class TrunkBenchmark:
    """A candidate on a workload; ``weights`` is a file of what ``reference_weights`` gives."""

    workload: Workload
    candidate: Candidate
    weights: Path

    def __str__(self) -> str:
        return str(self.candidate)

    @property
    def device(self) -> str:
        return self.workload.device

    def modules(self) -> list[str]:
        names = [MODULES[self.candidate.network]]
        if self.candidate.network != 'ours' and self.workload.task in NECKS:
            names.append(NECKS[self.workload.task])
        if self.candidate.execution in MODULES:
            names.append(MODULES[self.candidate.execution])
        return names

    def network(self) -> nn.Module:
        trunk = build_trunk(self.candidate.network, self.workload, self.candidate.with_cp)
        load_weights(trunk, safe_load(self.weights, mmap=True))
        return trunk.to(self.device)

    def step(self, net: nn.Module) -> Step:
        make = training_step if self.workload.mode == 'train' else inference_step
        return make(self.candidate, net, self.workload.image())


@dataclass(frozen=True)
class Result:
    """A candidate on a workload; times in seconds, sizes in bytes, ``None`` where not measured.

    Attributes:
        name: as ``candidates.parse`` reads it.
        step_bytes: of ``measure.Started``.
        build_seconds, first_seconds: of ``measure.Started``, with whatever compilers have cached.
        seconds: of a call, one for each round.
        speedups: over the baseline, one for each round.
        difference, gradient_difference: of its outputs, and in training of the gradient of the
            first convolution, to those of ours in eager fp32, see :func:`difference`.
        of_peak: floating-point operations a second over what the machine can do.
        of_roofline: the least time by ``roofline.Work`` over the time taken.
        backend: what ran it, where ``hrnet_mm.deploy`` chose that.
    """

    name: str
    params: int
    difference: float
    gradient_difference: float
    seconds: list[float]
    speedups: list[float]
    step_bytes: int | None = None
    build_seconds: float = 0.0
    first_seconds: float = 0.0
    of_peak: float | None = None
    of_roofline: float | None = None
    backend: str = ''
    isolated: Isolated | None = None


@dataclass
class Comparison:
    """All candidates on a workload; ``left_out`` says of those that took no part why."""

    workload: Workload
    baseline: str
    work: Work
    results: list[Result] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def compare(
    workload: Workload,
    candidates: Sequence[Candidate],
    baseline: Candidate,
    settings: Settings,
    peaks: Peaks,
    report: Report = print,
) -> Comparison:
    """Measure the candidates on one workload.

    Args:
        workload: what they do.
        candidates: those that cannot take part are left out, with the reason.
        baseline: one of them, whom the others' speed is set against; if it is left out, the first
            of the others.
        settings: how.
        peaks: of the machine.
        report: told what is being done.

    Raises:
        UserError: nobody is left.
    """
    differences: dict[str, tuple[float, float]] = {}

    def check(measured: Measured) -> None:
        expected = start(TrunkBenchmark(workload, REFERENCE, weights))
        differences.update(compared(measured, expected))
        if not measured.started:
            left_out = measured.left_out.items()
            reasons = '; '.join(f'{name}: {reason}' for name, reason in left_out)
            raise UserError(f'no contestant is left in {workload}: {reasons}')

    with TemporaryDirectory() as folder:
        weights = Path(folder) / 'weights.pth'
        torch.save(reference_weights(workload), weights)
        benchmarks = [TrunkBenchmark(workload, candidate, weights) for candidate in candidates]
        measured = measure(benchmarks, settings, report, check)
    with torch.device('meta'):
        net = our_trunk(workload)
    work = work_of(net, workload.batch, workload.size, trains=workload.mode == 'train')
    samples = measured.seconds
    first = str(baseline) if str(baseline) in samples else next(iter(samples))
    results = []
    for name, seconds in samples.items():
        started = measured.started[name]
        results.append(
            Result(
                name=name,
                params=started.params,
                difference=differences[name][0],
                gradient_difference=differences[name][1],
                seconds=seconds,
                speedups=speedups(samples[first], seconds),
                step_bytes=started.step_bytes,
                build_seconds=started.build_seconds,
                first_seconds=started.first_seconds,
                backend=started.step.backend,
                isolated=measured.isolated.get(name),
                **_fractions(work, peaks, parse(name).precision, seconds),
            )
        )
    return Comparison(workload, first, work, results, measured.left_out)


def compared(measured: Measured, expected: Started) -> dict[str, tuple[float, float]]:
    """The differences of outputs and gradients to those of ``expected``.

    What computes another function moves from ``measured.started`` to ``measured.left_out``.
    """
    differences = {}
    for name, started in list(measured.started.items()):
        try:
            outputs = difference(started.outputs, expected.outputs)
            gradient = difference(started.gradient, expected.gradient)
            is_exact = parse(name).precision == 'fp32'
            if is_exact and (outputs > TOLERANCE or gradient > GRADIENT_TOLERANCE):
                differs = f'{outputs:.1e}, its gradient by {gradient:.1e}'
                raise LeftOut(f'its outputs differ from ours by {differs}')
            differences[name] = outputs, gradient
        except LeftOut as reason:
            measured.left_out[name] = str(reason)
            del measured.started[name]
    return differences


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


def _fractions(
    work: Work, peaks: Peaks, precision: str, seconds: Sequence[float]
) -> dict[str, float]:
    if precision not in peaks.operations:
        return {}
    median = spread_of(seconds).median
    return dict(
        of_peak=work.operations / median / peaks.operations[precision],
        of_roofline=work.least_seconds(peaks, precision) / median,
    )
