"""The paper's table of memory and time, in its layout, with its numbers under ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark.host_models import HostJob
from benchmark.isolated import Isolated
from benchmark.measure import (
    Report,
    Settings,
    fresh_compiler,
    isolate_all,
    start_all,
    time_all,
)
from benchmark.medians import spread_of
from benchmark.paper_models import PAPER_TASKS, ROWS, PaperTask
from benchmark.report import Column, left_out_lines, table_lines
from benchmark.what_to_time import padded

GB = 2**30


@dataclass
class PaperResult:
    """One part of the table; the dictionaries are by whether it trains, and then by column.

    Attributes:
        batches: images, height, width.
        seconds: samples of a training step, and of an image's inference.
        memory: of processes of their own, in the same order.
    """

    name: str
    task: PaperTask
    batches: dict[bool, tuple[int, int, int]]
    seconds: dict[bool, dict[str, list[float]]] = field(default_factory=dict)
    memory: dict[bool, dict[str, Isolated]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def run_paper_task(
    name: str,
    device: str,
    precision: str,
    batch: int | None,
    quick: bool,
    settings: Settings,
    report: Report = print,
) -> PaperResult:
    """Train and infer with every model of a part of the table.

    Args:
        name: of PAPER_TASKS.
        device: where.
        precision: of PRECISIONS, autocast.
        batch: images in a training step; default: those of one of the paper's four GPUs.
        quick: a rehearsal on small images.
        settings: how.
        report: told what is being done.
    """
    task = PAPER_TASKS[name]
    sizes = [padded(task.quick_size if quick else s) for s in (task.train_size, task.infer_size)]
    numbers = [2 if quick else batch or task.batch, 1]
    result = PaperResult(name, task, {not i: (numbers[i], *sizes[i]) for i in range(2)})
    for trains, (number, *size) in result.batches.items():
        jobs = [
            HostJob(model, task.host, trains, tuple(size), number, precision, device)
            for model in task.models
            if not (trains and model.optimised)
        ]
        report(f'{name}, {"training" if trains else "inference"}, {number} x {size[0]}x{size[1]}')
        left_out: dict[str, str] = {}
        result.memory[trains] = isolate_all(jobs, settings, left_out, report)
        with fresh_compiler():
            started = start_all(jobs, settings, left_out, report)
            result.seconds[trains] = time_all(started, device, settings, report)
        result.left_out |= left_out
    return result


def paper_lines(result: PaperResult) -> str:
    """The part of the table as text, at most 100 columns wide."""
    headings = ('', *(line for row in ROWS for line in (row, '  the paper')), "the paper's score")
    columns = [_column(result, i) for i in range(len(result.task.models))]
    training, inference = ('x'.join(map(str, result.batches[trains])) for trains in (True, False))
    lines = [f'{result.name}: a training step on {training}, inference on {inference} pixels']
    lines += table_lines(('', list(headings)), columns)
    lines += left_out_lines(result.left_out)
    return '\n'.join(lines)


def _column(result: PaperResult, index: int) -> Column:
    model = result.task.models[index]
    key = f'{model.name}, {model.owner}'
    cells = [model.owner]
    measured = [_gigabytes(result.memory[trains].get(key)) for trains in (True, False)]
    measured += [_median(result.seconds[trains].get(key)) for trains in (True, False)]
    for value, printed in zip(measured, model.paper, strict=True):
        cells += [value, printed or '-']
    return model.name, [*cells, model.score or '-']


def _gigabytes(found: Isolated | None) -> str:
    return '-' if found is None else f'{found.peak_bytes / GB:.2f}G'


def _median(seconds: list[float] | None) -> str:
    return '-' if seconds is None else f'{spread_of(seconds).median:.3f}'


def paper_document(result: PaperResult) -> dict[str, Any]:
    """The part of the table for JSON."""
    models = []
    for model in result.task.models:
        key = f'{model.name}, {model.owner}'
        found = dict(asdict(model))
        for trains, mode in ((True, 'training'), (False, 'inference')):
            memory = result.memory[trains].get(key)
            found[mode] = dict(
                seconds=result.seconds[trains].get(key),
                isolated=None if memory is None else asdict(memory),
            )
        models.append(found)
    return dict(
        task=result.name,
        training_batch=result.batches[True],
        inference_batch=result.batches[False],
        models=models,
        left_out=result.left_out,
    )
