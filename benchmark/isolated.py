"""A job in a process of its own: its memory and its cold start, no other one's."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from tempfile import TemporaryDirectory

import torch

from benchmark.measurements import Job, import_modules, start
from benchmark.memory import PeakMemory
from benchmark.timing import seconds_of
from benchmark.what_to_time import LeftOut


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


def isolated(job: Job, threads: int, calls: int, cudnn_benchmark: bool) -> Isolated:
    """Run a job in a new process, with empty compiler caches.

    Args:
        job: is sent to the process.
        threads: of the process.
        calls: how often to run it after the first time.
        cudnn_benchmark: whether cuDNN tries its algorithms.

    Raises:
        LeftOut: the job cannot run, or the process ended without an answer.
    """
    with _environment(threads), ProcessPoolExecutor(1, get_context('spawn')) as pool:
        args = (job, time.time(), threads, calls, cudnn_benchmark)
        try:
            return pool.submit(run_job, *args).result()
        except BrokenProcessPool as error:
            raise LeftOut('its process was ended, as happens where memory is short') from error


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    with TemporaryDirectory() as folder:
        wanted = dict(OMP_NUM_THREADS=str(threads), TORCHINDUCTOR_CACHE_DIR=folder)
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def prepare_process(device: str, threads: int, cudnn_benchmark: bool) -> None:
    """What is the same for every contestant, in this process."""
    warnings.simplefilter('ignore')  # the hosts warn about their own innards
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = cudnn_benchmark
    if device.startswith('cuda:'):
        torch.cuda.set_device(device)  # events and statistics of memory are the current device's


def run_job(job: Job, begin: float, threads: int, calls: int, cudnn_benchmark: bool) -> Isolated:
    """What happens in the new process; ``begin`` is when it was asked for, by ``time.time()``."""
    prepare_process(job.device, threads, cudnn_benchmark)
    import_modules(job)
    memory = PeakMemory(job.device)
    before = memory.now()
    started = start(job)
    cold_start = time.time() - begin
    seconds_of(started.program.call, job.device)  # gradients are allocated
    memory.reset()
    steady = statistics.median(seconds_of(started.program.call, job.device) for _ in range(calls))
    peak = memory.peak()
    process = peak if memory.is_cuda else PeakMemory('cpu').peak()
    return Isolated(peak - before, process, cold_start, max(0.0, started.first_seconds - steady))
