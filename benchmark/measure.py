"""Measure several benchmarks: each alone in a process of its own, and all in turns in this one."""

from __future__ import annotations

import gc
import importlib
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from benchmark.candidates import LeftOut
from benchmark.memory import PeakMemory, step_peak
from benchmark.steps import Step
from benchmark.timing import interleaved, seconds_of
from hrnet_mm.base.errors import sentence_of
from hrnet_mm.base.torch_versions import is_older_than

Found = TypeVar('Found')
Report = Callable[[str], None]
COMPILED_AT_ONCE = 64  # benchmarks, times the structures of HRModules


class Benchmark(Protocol):
    """A network that is built, run and timed, here or in a process of its own."""

    device: str

    def __str__(self) -> str:
        """What it is called in a table."""

    def modules(self) -> list[str]:
        """What it imports."""

    def network(self) -> nn.Module:
        """The network on its device, with its weights."""

    def step(self, net: nn.Module) -> Step:
        """What is timed of the network, compiled, exported, or as it is."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        rounds: samples of every benchmark.
        turn_seconds: how long one sample should take at least.
        warmup: calls before the first round.
        threads: of every benchmark.
        isolate: whether to measure memory and cold start in processes of their own.
        cudnn_benchmark: whether cuDNN tries its algorithms first.
        debug: let errors of benchmarks through instead of leaving them out.
    """

    rounds: int = 20
    turn_seconds: float = 0.1
    warmup: int = 2
    threads: int = 1
    isolate: bool = False
    cudnn_benchmark: bool = True
    debug: bool = False


@dataclass(frozen=True)
class Started:
    """A benchmark that has given its first result.

    Attributes:
        step: to be called again.
        outputs: the first ones, on the CPU in float32.
        gradient: of the first training step likewise; empty in inference.
        params: parameters of the network.
        step_bytes: of :func:`step_peak`, in training.
        build_seconds: for the network and its weights.
        first_seconds: to compile or export it and to give the first result.
    """

    step: Step
    outputs: tuple[Tensor, ...]
    gradient: tuple[Tensor, ...]
    params: int
    step_bytes: int | None
    build_seconds: float
    first_seconds: float


@dataclass(frozen=True)
class Isolated:
    """What a process of its own shows.

    Attributes:
        peak_bytes: the peak while it runs, above what the interpreter and the libraries take:
            weights, activations, gradients and what the libraries allocate for them.
        process_bytes: the peak of the whole process while it runs, libraries included.
        cold_start_seconds: from the start of the process to the first result.
        compile_seconds: of these, what a later call does not take: compiling or exporting.
    """

    peak_bytes: int
    process_bytes: int
    cold_start_seconds: float
    compile_seconds: float


@dataclass
class Measured:
    """What was found of the benchmarks, each by its name; ``left_out`` says of the others why.

    Attributes:
        isolated: where the settings ask for it.
        started: those that take part.
        seconds: of their calls, one sample for each round.
    """

    isolated: dict[str, Isolated] = field(default_factory=dict)
    started: dict[str, Started] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def measure(
    benchmarks: Sequence[Benchmark],
    settings: Settings,
    report: Report,
    check: Callable[[Measured], None] = lambda measured: None,
) -> Measured:
    """Measure all benchmarks; those that fail are left out, with the reason.

    Args:
        benchmarks: of one device.
        settings: how.
        report: told what is being done.
        check: called before anything is timed; it may leave out more of them.
    """
    found = Measured()
    each = partial(_each, benchmarks, settings=settings, left_out=found.left_out, report=report)
    if settings.isolate:  # first, while this process holds nothing that the others need
        found.isolated = each('alone', partial(isolated, settings=settings))
    with fresh_compiler():
        found.started = each('first result', start)
        check(found)
        calls = {name: started.step.call for name, started in found.started.items()}
        found.seconds = _in_turns(calls, benchmarks[0].device, settings, report)
    return found


def _each(
    benchmarks: Sequence[Benchmark],
    what: str,
    function: Callable[[Benchmark], Found],
    settings: Settings,
    left_out: dict[str, str],
    report: Report,
) -> dict[str, Found]:
    """What a function gives for each benchmark that is not left out yet."""
    found = {}
    for number, benchmark in enumerate(benchmarks, start=1):
        name = str(benchmark)
        if name in left_out:
            continue
        report(f'  {what} {number}/{len(benchmarks)}: {name}')
        try:
            found[name] = function(benchmark)
        except LeftOut as reason:
            left_out[name] = str(reason)
        except Exception as error:  # a library may raise anything; the others still take part
            if settings.debug:
                raise
            left_out[name] = f'it fails with {type(error).__name__}: {sentence_of(error)[:300]}'
    return found


@contextmanager
def fresh_compiler() -> Iterator[None]:
    """Forget what was compiled before, give its memory back, and allow many benchmarks.

    All copies count towards one limit, beyond which the compiler would silently run a benchmark
    uncompiled; and after a change of shape it would compile for shapes of any size.
    """
    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    limits = dict(recompile_limit=COMPILED_AT_ONCE, fail_on_recompile_limit_hit=True)
    if is_older_than('2.6'):  # which has another name for it, and goes on uncompiled beyond it
        limits = dict(cache_size_limit=COMPILED_AT_ONCE)
    with torch._dynamo.config.patch(**limits):
        yield


def start(benchmark: Benchmark) -> Started:
    """Import, build and run a benchmark once.

    Raises:
        LeftOut: it cannot take part.
    """
    import_modules(benchmark)
    begin = time.perf_counter()
    net = benchmark.network()
    built = time.perf_counter()
    step = benchmark.step(net)
    outputs = _kept(step.outputs())
    first = time.perf_counter()
    trains = step.gradient is not None
    return Started(
        step=step,
        outputs=outputs,
        gradient=_kept((step.gradient(),)) if trains else (),
        params=sum(parameter.numel() for parameter in net.parameters()),
        step_bytes=step_peak(net, step.call, benchmark.device) if trains else None,
        build_seconds=built - begin,
        first_seconds=first - built,
    )


def import_modules(benchmark: Benchmark) -> None:
    """Import what a benchmark needs, ahead of all that is timed.

    Raises:
        LeftOut: something is not installed.
    """
    for name in benchmark.modules():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise LeftOut(f'{error.name} is not installed') from error


def _kept(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copies, since an engine may use the memory of its outputs again."""
    return tuple(x.detach().float().cpu().clone() for x in tensors)


def _in_turns(
    calls: Mapping[str, Callable[[], object]], device: str, settings: Settings, report: Report
) -> dict[str, list[float]]:
    for call in calls.values():
        for _ in range(settings.warmup):
            call()
    gc.collect()
    every = max(1, settings.rounds // 5)

    def on_round(number: int) -> None:
        if number % every == 0 or number == settings.rounds:
            report(f'  round {number}/{settings.rounds}')

    clock = partial(seconds_of, device=device)
    return interleaved(calls, settings.rounds, clock, settings.turn_seconds, on_round)


def isolated(benchmark: Benchmark, settings: Settings) -> Isolated:
    """Run a benchmark in a new process, with empty compiler caches.

    Raises:
        LeftOut: it cannot run, or the process ended without an answer.
    """
    threads = str(settings.threads)
    with (
        TemporaryDirectory() as folder,
        patch.dict(os.environ, OMP_NUM_THREADS=threads, TORCHINDUCTOR_CACHE_DIR=folder),
        ProcessPoolExecutor(1, get_context('spawn')) as pool,
    ):
        try:
            return pool.submit(_run_isolated, benchmark, settings, time.time()).result()
        except BrokenProcessPool as error:
            raise LeftOut('its process was ended, as happens where memory is short') from error


def _run_isolated(benchmark: Benchmark, settings: Settings, begin: float) -> Isolated:
    """What happens in the new process; ``begin`` is when it was asked for, by ``time.time()``."""
    prepare_process(benchmark.device, settings)
    import_modules(benchmark)
    memory = PeakMemory(benchmark.device)
    before = memory.now()
    started = start(benchmark)
    cold_start = time.time() - begin
    clock = partial(seconds_of, started.step.call, benchmark.device)
    clock()  # gradients are allocated
    memory.reset()
    steady = statistics.median(clock() for _ in range(settings.warmup + 1))
    peak = memory.peak()
    process = peak if memory.is_cuda else PeakMemory('cpu').peak()
    return Isolated(peak - before, process, cold_start, max(0.0, started.first_seconds - steady))


def prepare_process(device: str, settings: Settings) -> None:
    """What is the same for every benchmark, in this process."""
    warnings.simplefilter('ignore')  # the hosts warn about their own innards
    torch.set_num_threads(settings.threads)
    torch.backends.cudnn.benchmark = settings.cudnn_benchmark
    if device.startswith('cuda:'):
        torch.cuda.set_device(device)  # events and statistics of memory are the current device's
