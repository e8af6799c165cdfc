"""Every contestant in a case: built, compared, timed in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmark.contestants import Contestant, parse
from benchmark.isolated import Isolated
from benchmark.measure import (
    Report,
    Settings,
    fresh_compiler,
    isolate_all,
    start_all,
    time_all,
)
from benchmark.measurements import Started, TrunkJob, difference, start
from benchmark.medians import speedups, spread_of
from benchmark.networks import ours, reference_weights
from benchmark.roofline import Peaks, Work, work_of
from benchmark.what_to_time import Case, LeftOut
from hrnet_mm.base.errors import UserError

REFERENCE = Contestant('ours')  # in fp32, eager: what all outputs are compared with
# Far above rounding, far below what another function gives; only fp32 is held to them. Through a
# hundred layers with random weights, rounding grows to percents of the gradient of the first one.
TOLERANCE, GRADIENT_TOLERANCE = 1e-2, 0.5


@dataclass(frozen=True)
class Result:
    """A contestant in a case; times in seconds, sizes in bytes, ``None`` where not measured.

    Attributes:
        name: as ``contestants.parse`` reads it.
        step_bytes: of ``jobs.Started``.
        build_seconds, first_seconds: of ``jobs.Started``, with whatever compilers have cached.
        seconds: of a call, one for each round.
        speedups: over the baseline, one for each round.
        difference, gradient_difference: of its outputs, and in training of the gradient of the
            first convolution, to those of ours in eager fp32, see ``jobs.difference``.
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
class CaseResult:
    """All contestants in a case; ``left_out`` says of the others why."""

    case: Case
    baseline: str
    work: Work
    results: list[Result] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def run_case(
    case: Case,
    contestants: Sequence[Contestant],
    baseline: Contestant,
    settings: Settings,
    peaks: Peaks,
    report: Report = print,
) -> CaseResult:
    """Measure the contestants in one case.

    Args:
        case: what they do.
        contestants: who; those that cannot take part are left out, with the reason.
        baseline: one of them, whom the others' speed is set against; if it is left out, the first
            of the others.
        settings: how.
        peaks: of the machine.
        report: told what is being done.

    Raises:
        UserError: nobody is left.
    """
    left_out: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        weights = Path(folder) / 'weights.pth'
        torch.save(reference_weights(case), weights)
        jobs = [TrunkJob(case, contestant, weights) for contestant in contestants]
        # First, while this process holds nothing that the others need.
        alone = isolate_all(jobs, settings, left_out, report) if settings.isolate else {}
        with fresh_compiler():
            expected = start(TrunkJob(case, REFERENCE, weights))
            started = start_all(jobs, settings, left_out, report)
            differences = compared(started, expected, left_out)
            if not started:
                reasons = '; '.join(f'{name}: {reason}' for name, reason in left_out.items())
                raise UserError(f'no contestant is left in {case}: {reasons}')
            samples = time_all(started, case.device, settings, report)
    first = str(baseline) if str(baseline) in samples else next(iter(samples))
    work = _work(case)
    results = [
        Result(
            name=name,
            params=started[name].params,
            difference=differences[name][0],
            gradient_difference=differences[name][1],
            seconds=seconds,
            speedups=speedups(samples[first], seconds),
            step_bytes=started[name].step_bytes,
            build_seconds=started[name].build_seconds,
            first_seconds=started[name].first_seconds,
            backend=started[name].program.backend,
            isolated=alone.get(name),
            **_fractions(work, peaks, parse(name).precision, seconds),
        )
        for name, seconds in samples.items()
    ]
    return CaseResult(case, first, work, results, left_out)


def compared(
    started: dict[str, Started], expected: Started, left_out: dict[str, str]
) -> dict[str, tuple[float, float]]:
    """The differences of outputs and gradients to those of ``expected``.

    Who computes another function moves from ``started`` to ``left_out``.
    """
    differences = {}
    for name in list(started):
        try:
            outputs = difference(started[name].evidence, expected.evidence)
            gradient = difference(started[name].gradient, expected.gradient)
            is_exact = parse(name).precision == 'fp32'
            if is_exact and (outputs > TOLERANCE or gradient > GRADIENT_TOLERANCE):
                differs = f'{outputs:.1e}, its gradient by {gradient:.1e}'
                raise LeftOut(f'its outputs differ from ours by {differs}')
            differences[name] = outputs, gradient
        except LeftOut as reason:
            left_out[name] = str(reason)
            del started[name]
    return differences


def _work(case: Case) -> Work:
    with torch.device('meta'):
        net = ours(case, with_cp=False)
    return work_of(net, case.batch, case.size, trains=case.mode == 'train')


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
