"""The paper's table of memory and time, in its layout, with its numbers under ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark.host_models import HostBenchmark
from benchmark.measure import Isolated, Measured, Report, Settings, measure
from benchmark.networks import padded
from benchmark.paper_models import PAPER_TASKS, ROWS, PaperTask
from benchmark.report import Column, left_out_lines, table_lines
from benchmark.timing import spread_of

GB = 2**30


@dataclass
class PaperResult:
    """One part of the table; the dictionaries are by whether it trains.

    Attributes:
        batches: images, height, width.
        measured: what was found of every column: training steps, and inference of an image.
    """

    name: str
    task: PaperTask
    batches: dict[bool, tuple[int, int, int]]
    measured: dict[bool, Measured] = field(default_factory=dict)

    @property
    def left_out(self) -> dict[str, str]:
        """Why a column is empty."""
        return {
            name: why for found in self.measured.values() for name, why in found.left_out.items()
        }


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
        settings: how; memory needs ``isolate``.
        report: told what is being done.
    """
    task = PAPER_TASKS[name]
    sizes = [padded(task.quick_size if quick else s) for s in (task.train_size, task.infer_size)]
    numbers = [2 if quick else batch or task.batch, 1]
    result = PaperResult(name, task, {not i: (numbers[i], *sizes[i]) for i in range(2)})
    for trains, (number, *size) in result.batches.items():
        benchmarks = [
            HostBenchmark(model, task.host, trains, tuple(size), number, precision, device)
            for model in task.models
            if not (trains and model.optimised)
        ]
        report(f'{name}, {"training" if trains else "inference"}, {number} x {size[0]}x{size[1]}')
        result.measured[trains] = measure(benchmarks, settings, report)
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
    measured = [_gigabytes(result.measured[trains].isolated.get(key)) for trains in (True, False)]
    measured += [_median(result.measured[trains].seconds.get(key)) for trains in (True, False)]
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
            isolated = result.measured[trains].isolated.get(key)
            found[mode] = dict(
                seconds=result.measured[trains].seconds.get(key),
                isolated=None if isolated is None else asdict(isolated),
            )
        models.append(found)
    return dict(
        task=result.name,
        training_batch=result.batches[True],
        inference_batch=result.batches[False],
        models=models,
        left_out=result.left_out,
    )
