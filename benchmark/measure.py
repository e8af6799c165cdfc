"""Several jobs: each alone, each started here, and all timed in turns."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from benchmark.isolated import Isolated, isolated
from benchmark.measurements import Job, Started, start
from benchmark.timing import interleaved, seconds_of
from benchmark.what_to_time import LeftOut
from hrnet_mm.base.errors import sentence_of

Found = TypeVar('Found')
Report = Callable[[str], None]
COMPILED_AT_ONCE = 64  # contestants of a case, times the structures of HRModules


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        rounds: samples of every contestant.
        turn_seconds: how long one sample should take at least.
        warmup: calls before the first round.
        threads: of every contestant.
        isolate: whether to measure memory and cold start in processes of their own.
        cudnn_benchmark: whether cuDNN tries its algorithms first.
        debug: let errors of contestants through instead of leaving them out.
    """

    rounds: int = 20
    turn_seconds: float = 0.1
    warmup: int = 2
    threads: int = 1
    isolate: bool = False
    cudnn_benchmark: bool = True
    debug: bool = False


@contextmanager
def fresh_compiler() -> Iterator[None]:
    """Forget what earlier cases compiled, give their memory back, and allow many contestants.

    All copies count towards one limit, beyond which the compiler would silently run a contestant
    uncompiled; and after a change of shape it would compile for shapes of any size.
    """
    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    limits = dict(recompile_limit=COMPILED_AT_ONCE, fail_on_recompile_limit_hit=True)
    with torch._dynamo.config.patch(**limits):
        yield


def isolate_all(
    jobs: Sequence[Job], settings: Settings, left_out: dict[str, str], report: Report
) -> dict[str, Isolated]:
    """Each job in a process of its own; those that fail are noted in ``left_out``."""
    options = (settings.threads, settings.warmup + 1, settings.cudnn_benchmark)
    return _of_each(jobs, lambda job: isolated(job, *options), settings, left_out, report, 'alone')


def start_all(
    jobs: Sequence[Job], settings: Settings, left_out: dict[str, str], report: Report
) -> dict[str, Started]:
    """Each job's first result, all in this process; those that fail are noted in ``left_out``."""
    return _of_each(jobs, start, settings, left_out, report, 'first result')


def _of_each(
    jobs: Sequence[Job],
    function: Callable[[Job], Found],
    settings: Settings,
    left_out: dict[str, str],
    report: Report,
    what: str,
) -> dict[str, Found]:
    found = {}
    for number, job in enumerate(jobs, start=1):
        name = str(job)
        if name in left_out:
            continue
        report(f'  {what} {number}/{len(jobs)}: {name}')
        try:
            found[name] = function(job)
        except LeftOut as reason:
            left_out[name] = str(reason)
        except Exception as error:  # a library may raise anything; the others still take part
            if settings.debug:
                raise
            left_out[name] = f'it fails with {type(error).__name__}: {sentence_of(error)[:300]}'
    return found


def time_all(
    started: Mapping[str, Started], device: str, settings: Settings, report: Report
) -> dict[str, list[float]]:
    """Seconds of every job's call, taken in turns."""
    calls = {name: job.program.call for name, job in started.items()}
    for call in calls.values():
        for _ in range(settings.warmup):
            call()
    gc.collect()
    every = max(1, settings.rounds // 5)

    def on_round(number: int) -> None:
        if number % every == 0 or number == settings.rounds:
            report(f'  round {number}/{settings.rounds}')

    measure = partial(seconds_of, device=device)
    return interleaved(calls, settings.rounds, measure, settings.turn_seconds, on_round)
