"""List the configs of this package with parameters, multiply-adds and the papers' scores.

hrnet models
hrnet models pose w32
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from hrnet_mm.commands.arguments import Parser


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    parser.add_argument(
        'words',
        nargs='*',
        metavar='WORD',
        help='list those only that have every word in their task, name or data: pose, w32, coco',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    words = [word.lower() for word in parse_args(argv).words]
    rows = [row for row in all_rows() if all(word in ' '.join(row[:3]).lower() for word in words)]
    if not rows:
        print(f'no config has {" and ".join(map(repr, words))} in its task, name or data')
        return
    titles = ('task', 'config', 'data', 'input', 'params', 'mult-adds', 'score', 'weights')
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).rstrip())


def all_rows() -> Iterator[tuple[str, ...]]:
    """A row of texts for each model of the metafiles, in their order."""
    # Not at the top: --help needs none of it.
    from hrnet_mm.base.config_names import models_beside, our_configs

    one_of_each = {path.parent: path for path in our_configs().values()}
    for folder, config in sorted(one_of_each.items()):
        for model in models_beside(config):
            yield row_of(folder.name, model)


def row_of(task: str, model: dict[str, Any]) -> tuple[str, ...]:
    about = model['Metadata']
    scores = [
        f'{metric} {value}'
        for result in model.get('Results') or []
        for metric, value in (result.get('Metrics') or {}).items()
    ]
    return (
        task,
        model['Name'],
        str(about.get('Training Data', '')),
        str(about.get('Input Size', '')),
        f'{about["Parameters"] / 1e6:.1f}M' if 'Parameters' in about else '',
        f'{about["FLOPs"] / 1e9:.1f}G' if 'FLOPs' in about else '',
        ', '.join(scores),
        'yes' if model.get('Weights') else '',
    )
