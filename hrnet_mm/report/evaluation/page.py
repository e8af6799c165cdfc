"""Writing the page: one HTML file that needs nothing beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import zip_longest
from pathlib import Path

from mmengine.config import Config

from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.base.files import write_whole
from hrnet_mm.report.evaluation.collect import Collector
from hrnet_mm.report.evaluation.pictures import Pictures, draw_cases
from hrnet_mm.report.evaluation.task import Cell, Table

PAGE = 'report.html'
PERCENT_DIGITS = 2
MARK = '<meta name="generator" content="hrnet_mm test --report">'
STYLE = """
:root { color-scheme: light dark; --pale: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--pale); overflow-wrap: anywhere; }
th { text-align: left; } th.number { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.sum:last-child td { font-weight: 600; }
.wide { overflow: auto; max-height: 40rem; }
i { display: inline-block; width: .8em; height: .8em; margin-right: .5em; }
figure { margin: 0 0 1.6rem; } figcaption { overflow-wrap: anywhere; }
figure div { display: flex; gap: 6px; } figure span { flex: 1; min-width: 0; }
img { width: 100%; display: block; }
pre { overflow-x: auto; font-size: 12px; }
"""


def check_folder(folder: Path) -> None:
    """Make sure, before a test begins, that its page can go into a folder.

    Raises:
        UserError: it is a file, or holds a file of the page's name that is none of ours.
    """
    page = folder / PAGE
    if folder.exists() and not folder.is_dir():
        raise UserError(f'--report {folder} is a file; the page needs a folder')
    if page.is_dir() or (page.exists() and MARK.encode() not in page.read_bytes()[:1000]):
        raise UserError(f'{page} is no report of a test; name another folder by --report')


def write_page(
    folder: Path,
    about: Mapping[str, str],
    metrics: Mapping[str, str],
    collected: Collector,
    cfg: Config,
) -> Path:
    """Write the page on a test; an older one is replaced, other files stay.

    Args:
        folder: it is made.
        about: what was tested with what, the lines above the page.
        metrics: by name, as the test prints them.
        collected: by the hook of the test.
        cfg: of the test.

    Raises:
        UserError: it cannot be written.
    """
    page = folder / PAGE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_folder(folder)
    except OSError as error:
        raise UserError(f'--report {folder}: {sentence_of(error)}') from error
    write_whole(page, '\n'.join(_lines(about, metrics, collected, cfg)).encode())
    return page


def _lines(
    about: Mapping[str, str], metrics: Mapping[str, str], collected: Collector, cfg: Config
) -> Iterator[str]:
    title = escape(f'{Path(cfg.filename or "config").stem}: test')
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'{MARK}<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>'
    yield '<h2>Metrics</h2>'
    yield from _rows(('metric', 'value'), list(metrics.items()), 'metrics')
    if not metrics:
        yield '<p>The evaluator gives none.</p>'
    yield from _of_task(collected, cfg)
    yield '<h2>What was tested</h2>'
    yield from _rows(('', ''), list(about.items()), 'about')
    text = _text_of(cfg)
    yield f'<h2>Config</h2><details><summary>the whole of it</summary><pre>{escape(text)}</pre>'
    yield '</details></body></html>'


def _of_task(collected: Collector, cfg: Config) -> Iterator[str]:
    task = collected.task
    if task is None:
        yield f'<p>No tables and no images: {escape(collected.why_not)}.</p>'
        return
    try:
        tables: Sequence[Table] = task.tables()
    except Exception as error:  # the metrics and the images are worth a page without
        tables = []
        yield f'<p>No tables: {escape(sentence_of(error))}.</p>'
    for table in tables:
        yield f'<h2>{escape(table.title)}</h2><p>{escape(table.note)}</p>'
        digits = [PERCENT_DIGITS if '%' in name else table.digits for name in table.header]
        rows = [tuple(map(_cell, row, digits)) for row in table.rows]
        yield from _rows(table.header, rows, colors=table.colors.tolist())
    ranked = (('Worst images', task.cases.worst()), ('Best images', task.cases.best()))
    for heading, cases in ranked:
        if cases:
            yield f'<h2>{heading}</h2>'
            yield f'<p>Of {task.cases.count} images, by {escape(task.ranked_by)}.'
            yield 'Left: the label; right: the prediction.</p>'
        for pictures in draw_cases(task, cfg, cases):
            yield _figure(pictures)
    if not task.cases.count:
        yield '<p>No image has labels to rank it by.</p>'


def _figure(pictures: Pictures) -> str:
    images = ''.join(f'<span><img src="{address}" alt=""></span>' for address in pictures.images)
    words = [pictures.case.file, pictures.case.text, pictures.remark]
    return (
        f'<figure><div>{images}</div>'
        f'<figcaption>{" &middot; ".join(escape(word) for word in words if word)}</figcaption>'
        '</figure>'
    )


def _rows(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    kind: str = '',
    colors: Sequence[Sequence[int]] = (),
) -> Iterator[str]:
    """A table. Columns in which numbers stand are aligned at the right.

    The first cells of the first rows have the colours, BGR, beside them.
    """
    numbers = [all(map(_is_number, column)) for column in zip(*rows, strict=True)]
    classes = [' class="number"' if is_number else '' for is_number in numbers]
    yield f'<div class="wide"><table class="{kind}">'
    if any(header):
        cells = zip(classes or [''] * len(header), header, strict=True)
        yield f'<thead><tr>{"".join(f"<th{c}>{escape(h)}</th>" for c, h in cells)}</tr></thead>'
    yield '<tbody>'
    for row, color in zip_longest(rows, colors):
        is_sum = row[0].split(',')[0] in ('all', 'mean')
        mark = ' class="sum"' if is_sum else ''
        first, *others = (
            f'<td{c}>{escape(text)}</td>' for c, text in zip(classes, row, strict=True)
        )
        if color is not None:
            patch = '#{2:02x}{1:02x}{0:02x}'.format(*color)
            first = first.replace('>', f'><i style="background: {patch}"></i>', 1)
        yield f'<tr{mark}>{first}{"".join(others)}</tr>'
    yield '</tbody></table></div>'


def _cell(cell: Cell, digits: int) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return '–'
    return cell if isinstance(cell, str) else f'{cell:.{0 if isinstance(cell, int) else digits}f}'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == '–'
    return True


def _text_of(cfg: Config) -> str:
    """The config as the run has written it, which is formatted already."""
    written = Path(cfg.get('work_dir') or '', Path(cfg.filename or '').name)
    try:
        return written.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError):
        return cfg.pretty_text
