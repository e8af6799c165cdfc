"""The speed-ups as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark.medians import spread_of
from benchmark.run import CaseResult
from hrnet_mm.base.files import replacing

OURS, OTHERS = '#1f6fb4', '#b0b0b0'
WIDTH, BAR, FRAME = 8.0, 0.32, 1.1  # inches


def plot(path: Path, cases: Sequence[CaseResult]) -> None:
    """Draw the median speed-up of every contestant, with quartiles, one panel for each case."""
    heights = [FRAME + BAR * len(case.results) for case in cases]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(cases), squeeze=False, height_ratios=heights)[:, 0]
    for panel, case in zip(panels, cases, strict=True):
        _draw(panel, case)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw(panel: Axes, case: CaseResult) -> None:
    names = [result.name for result in case.results]
    spreads = [spread_of(result.speedups) for result in case.results]
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
    panel.set_title(str(case.case), loc='left', fontsize=10)
    panel.set_xlabel(f'times as fast as {case.baseline}: median and quartiles')
    panel.spines[['top', 'right']].set_visible(False)
