"""The table on the screen, everything as JSON, and the speed-ups as bars."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark.compare import Comparison, Result
from benchmark.machine import WIDTH
from benchmark.measure import Settings
from benchmark.roofline import Peaks
from benchmark.timing import spread_of
from hrnet_mm.base.files import replacing

MB, GIGA = 2**20, 1e9
SPACE = '  '
OURS, OTHERS = '#1f6fb4', '#b0b0b0'  # colours of bars
FIGURE_WIDTH, BAR, FRAME = 8.0, 0.32, 1.1  # inches
LEGEND = """\
quartiles: half of the rounds lie between them; x: round by round
peak: of the machine's rate of arithmetic; roof: the least time that arithmetic and memory allow
over the time taken (Winograd's kernels need fewer operations than are counted)
differs: outputs from ours in eager fp32, relative to the largest number
step MB: the most that PyTorch holds in a training step, weights and gradients included
peak MB: of the process, without interpreter and libraries (on a GPU: what PyTorch allocates)
compile: what only the first call takes; start: from the start of the process to the first result"""
Column = tuple[str, list[str]]  # its heading and a cell for each row


def comparison_table(result: Comparison) -> str:
    """The tables of a comparison, at most 100 columns wide."""
    work = result.work
    lines = [
        f'{result.workload}: {work.params / 1e6:.2f} M parameters, '
        f'{work.operations / GIGA:.2f} GFLOP a call',
        f'x: times as fast as {result.baseline}',
    ]
    names = [item.name for item in result.results]
    for columns in (_time_columns(result), _memory_columns(result)):
        shown = [column for column in columns if any(cell != '-' for cell in column[1])]
        if shown:
            lines += table_lines(('contestant', names), shown)
    lines += [f'{item.name}: {item.backend}' for item in result.results if item.backend]
    lines += left_out_lines(result.left_out)
    return '\n'.join(lines)


def left_out_lines(left_out: Mapping[str, str]) -> list[str]:
    """Who took no part and why."""
    lines: list[str] = []
    for name, reason in left_out.items():
        lines += textwrap.wrap(f'left out: {name}: {reason}', WIDTH, subsequent_indent='  ')
    return lines


def table_lines(first: Column, columns: Sequence[Column]) -> list[str]:
    """Lines of a table, an empty one before it: texts to the left, numbers to the right.

    Columns that are too many for the screen follow below, with the first column again.
    """
    width = max(map(len, (first[0], *first[1])))
    lines: list[str] = []
    for part in _parts(width, columns):
        widths = [_width(column) for column in part]
        rows = [(first[0], *(heading for heading, _ in part))]
        rows += zip(first[1], *(cells for _, cells in part), strict=True)
        lines.append('')
        for name, *cells in rows:
            padded = (f'{cell:>{w}}' for cell, w in zip(cells, widths, strict=True))
            lines.append(SPACE.join((f'{name:{width}}', *padded)))
    return lines


def _parts(first_width: int, columns: Sequence[Column]) -> list[list[Column]]:
    """Columns in groups that fit on the screen."""
    parts: list[list[Column]] = [[]]
    left = WIDTH - first_width
    for column in columns:
        width = len(SPACE) + _width(column)
        if width > left and parts[-1]:
            parts.append([])
            left = WIDTH - first_width
        parts[-1].append(column)
        left -= width
    return parts


def _width(column: Column) -> int:
    return max(map(len, (column[0], *column[1])))


def _time_columns(result: Comparison) -> list[Column]:
    times = [spread_of(item.seconds) for item in result.results]
    ratios = [spread_of(item.speedups) for item in result.results]
    return [
        ('ms', [number(1e3 * t.median) for t in times]),
        ('quartiles', [f'{number(1e3 * t.low)}-{number(1e3 * t.high)}' for t in times]),
        ('x', [f'{r.median:.2f}' for r in ratios]),
        ('quartiles', [f'{r.low:.2f}-{r.high:.2f}' for r in ratios]),
        ('peak', [percent(item.of_peak) for item in result.results]),
        ('roof', [percent(item.of_roofline) for item in result.results]),
        ('differs', [f'{item.difference:.0e}' for item in result.results]),
    ]


def _memory_columns(result: Comparison) -> list[Column]:
    items = result.results
    baseline = next(item for item in items if item.name == result.baseline)
    alone = [item.isolated for item in items]
    steps = [item.step_bytes for item in items]
    peaks = [None if one is None else one.peak_bytes for one in alone]
    base = None if baseline.isolated is None else baseline.isolated.peak_bytes
    return [
        ('params M', [f'{item.params / 1e6:.2f}' for item in items]),
        ('step MB', [megabytes(size) for size in steps]),
        ('of base', [ratio(size, baseline.step_bytes) for size in steps]),
        ('peak MB', [megabytes(size) for size in peaks]),
        ('of base', [ratio(size, base) for size in peaks]),
        ('compile s', ['-' if one is None else number(one.compile_seconds) for one in alone]),
        ('start s', ['-' if one is None else number(one.cold_start_seconds) for one in alone]),
    ]


def number(value: float) -> str:
    """Three digits, or all before the point."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f'{value:.{digits}f}'


def percent(fraction: float | None) -> str:
    return '-' if fraction is None else f'{100 * fraction:.0f}%'


def megabytes(num_bytes: int | None) -> str:
    return '-' if num_bytes is None else number(num_bytes / MB)


def ratio(size: int | None, base: int | None) -> str:
    return '-' if size is None or base is None else f'{size / base:.2f}'


def document(
    machine: dict[str, Any],
    peaks: Peaks,
    settings: Settings,
    command: Sequence[str],
    comparisons: Sequence[Comparison],
) -> dict[str, Any]:
    """Everything that was measured and what is needed to measure it again."""
    return dict(
        command=list(command),
        machine=machine,
        settings=asdict(settings),
        peaks=asdict(peaks),
        cases=[_comparison_document(result) for result in comparisons],
    )


def _comparison_document(result: Comparison) -> dict[str, Any]:
    return dict(
        case=asdict(result.workload),
        baseline=result.baseline,
        params=result.work.params,
        operations=result.work.operations,
        results=[_result_document(item) for item in result.results],
        left_out=result.left_out,
    )


def _result_document(item: Result) -> dict[str, Any]:
    found = asdict(item)
    found['seconds_spread'] = asdict(spread_of(item.seconds))
    found['speedups_spread'] = asdict(spread_of(item.speedups))
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False), encoding='utf-8')


def plot(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Draw the median speed-ups, with quartiles: a panel for each comparison."""
    heights = [FRAME + BAR * len(result.results) for result in comparisons]
    figure = Figure(figsize=(FIGURE_WIDTH, sum(heights)), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(comparisons), squeeze=False, height_ratios=heights)[:, 0]
    for panel, result in zip(panels, comparisons, strict=True):
        _draw(panel, result)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw(panel: Axes, comparison: Comparison) -> None:
    names = [result.name for result in comparison.results]
    spreads = [spread_of(result.speedups) for result in comparison.results]
    medians = [spread.median for spread in spreads]
    errors = [
        [spread.median - spread.low for spread in spreads],
        [spread.high - spread.median for spread in spreads],
    ]
    colors = [OURS if name.startswith('ours') else OTHERS for name in names]
    bars = panel.barh(names, medians, color=colors, xerr=errors, ecolor='black', capsize=3)
    panel.bar_label(bars, [f'{median:.2f}' for median in medians], padding=6)
    panel.axvline(1, color='black', linewidth=0.8)
    panel.invert_yaxis()  # the first one on top
    panel.margins(x=0.12)
    panel.set_title(str(comparison.workload), loc='left', fontsize=10)
    panel.set_xlabel(f'times as fast as {comparison.baseline}: median and quartiles')
    panel.spines[['top', 'right']].set_visible(False)
