"""What ``python -m benchmark`` does with its arguments."""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.candidates import parse_all
from benchmark.compare import compare
from benchmark.machine import CORES, describe, machine_of
from benchmark.measure import Settings, prepare_process
from benchmark.networks import MULTIPLE, Workload, padded, parse_arch
from benchmark.paper_models import PAPER_TASKS
from benchmark.paper_table import paper_document, paper_lines, run_paper_task
from benchmark.report import LEGEND, comparison_table, document, plot, write_json
from benchmark.roofline import measured_peaks
from hrnet_mm.base.errors import UsageError, UserError
from hrnet_mm.commands.from_arguments import find_device

# Height and width by task.
SIZES = dict(pose=(256, 192), seg=(1024, 2048), det=(800, 1333), backbone=(256, 192))
QUICK = dict(arch=['w18_small'], size=[(64, 64)], batch=[2])
QUICK_SETTINGS = dict(rounds=2, turn_seconds=0.0, warmup=1)
QUICK_PEAKS = dict(side=256, num_bytes=2**22, seconds=0.05)


def benchmark(args: Namespace, command: Sequence[str]) -> None:
    """Measure all combinations of the arguments; print tables, write JSON and a plot.

    Raises:
        UserError: an argument is wrong, or nobody can take part.
    """
    candidates, baseline = parse_all(args.contestants, args.precision, args.baseline)
    workloads = list(workloads_of(args))
    settings, machine = _prepare(args)
    precisions = sorted({candidate.precision for candidate in candidates})
    peaks = measured_peaks(args.device, precisions, **(QUICK_PEAKS if args.quick else {}))
    products = [f'{name} {rate / 1e9:,.0f} GFLOP/s' for name, rate in peaks.operations.items()]
    print(f'arithmetic {", ".join(products)}; copy {peaks.bytes / 1e9:.1f} GB/s')
    results = []
    for number, workload in enumerate(workloads, start=1):
        print(f'\ncase {number}/{len(workloads)}: {workload}', flush=True)
        results.append(compare(workload, candidates, baseline, settings, peaks, _report))
        print(f'\n{comparison_table(results[-1])}', flush=True)
        # After every one, so that an interrupted run keeps what it has.
        content = document(machine, peaks, settings, command, results)
        write_json(args.out / 'benchmark.json', content)
        plot(args.out / 'benchmark.png', results)
    print(f'\n{LEGEND}')
    print(f'\n{args.out / "benchmark.json"}, {args.out / "benchmark.png"}')


def paper_table(args: Namespace, command: Sequence[str]) -> None:
    """The paper's table of memory and time, on this machine.

    Raises:
        UserError: an argument is wrong.
    """
    if len(args.precision) > 1 or len(args.batch or ()) > 1:
        raise UsageError('--paper-table takes one --precision and one --batch')
    settings, machine = _prepare(args)
    batch = args.batch[0] if args.batch else None
    content: dict[str, Any] = dict(command=list(command), machine=machine, tasks=[])
    for name in args.paper_table or PAPER_TASKS:
        result = run_paper_task(
            name, args.device, args.precision[0], batch, args.quick, settings, report=_report
        )
        print(f'\n{paper_lines(result)}\n', flush=True)
        content['tasks'].append(paper_document(result))
        write_json(args.out / 'paper_table.json', content)
    print(args.out / 'paper_table.json')


def grouping(args: Namespace, command: Sequence[str]) -> None:
    """The grouping of people beside the rules written out and mmpose's codec.

    Raises:
        UserError: an argument is wrong.
    """
    from benchmark.grouping import SIZE, grouping_table, time_grouping  # needs mmpose

    settings, machine = _prepare(args)
    size = QUICK['size'][0] if args.quick else SIZE
    results = time_grouping(size, settings, _report)
    print(f'\n{grouping_table(results)}\n')
    content = dict(command=list(command), machine=machine, size=size)
    content['scenes'] = [asdict(result) for result in results]
    write_json(args.out / 'grouping.json', content)
    print(args.out / 'grouping.json')


def workloads_of(args: Namespace) -> Iterator[Workload]:
    """All combinations of task, architecture, size, batch and mode.

    Raises:
        UserError: there is no such architecture.
    """
    given = dict(arch=args.arch, size=args.size, batch=args.batch or [1])
    given |= QUICK if args.quick else {}
    for task in args.task:
        sizes = given['size'] or [SIZES[task]]
        archs = [parse_arch(text) for text in given['arch']]
        for arch, size, batch, mode in itertools.product(archs, sizes, given['batch'], args.mode):
            if padded(size) != size:
                _report(
                    f'{size[0]}x{size[1]} is padded to a multiple of {MULTIPLE}, as the hosts do'
                )
            upsample = args.upsample or ''
            yield Workload(task, arch, padded(size), batch, mode, args.device, upsample)


def _prepare(args: Namespace) -> tuple[Settings, dict[str, Any]]:
    """Check the device, apply what is the same for everything, and say where this runs."""
    if find_device(args.device).type not in ('cpu', 'cuda'):
        raise UserError(f'--device {args.device}: only cpu and cuda are timed')
    _make_folder(args.out)
    how = dict(rounds=args.rounds, turn_seconds=args.turn_seconds, warmup=args.warmup)
    settings = Settings(
        **how | (QUICK_SETTINGS if args.quick else {}),
        threads=args.threads or CORES,
        isolate=args.isolate or args.paper_table is not None,
        cudnn_benchmark=not args.no_cudnn_benchmark,
        debug=args.debug,
    )
    prepare_process(args.device, settings)
    machine = machine_of(args.device, settings.threads)
    print(describe(machine), flush=True)
    if args.quick:
        print('a rehearsal: these times mean nothing')
    return settings, machine


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f'{type(error).__name__}: {error.strerror}'
        raise UserError(f'--out {path}: the folder cannot be made ({reason})') from error


def _report(text: str) -> None:
    print(text, flush=True)
