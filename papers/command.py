"""Count parameters and multiply-adds: of one config, or of all of them beside the papers' numbers.

python tools/complexity.py
python tools/complexity.py configs/pose/hrnet_w32_coco_256x192.py --size 256x192
python tools/complexity.py --write

The last one writes configs/*/metafile.yml and the tables of configs in docs/.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.arguments import Parser, add_config, add_size
from papers.rows import ROWS, Row
from papers.written import score_cell, table_line, write

if TYPE_CHECKING:
    from papers.count import Complexity

COLUMNS = ('config', 'input', 'M', 'GMACs', 'M*', 'paper', 'ratio', 'G*', 'paper', 'ratio', 'score')
WIDTHS = (51, 9, 7, 7, 7, 6, 6, 7, 6, 6, 0)


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_config(parser, nargs='?')
    add_size(parser, '--size', '--shape', help='of the input of CONFIG')
    parser.add_argument(
        '--task', choices=sorted({row.task for row in ROWS}), help='of the table: this task only'
    )
    parser.add_argument(
        '--markdown', action='store_true', help='print the table as the lines of docs/TASK.md'
    )
    parser.add_argument(
        '--write',
        action='store_true',
        help='write the metafiles of configs/ and the tables of docs/ anew',
    )
    args = parser.parse_args(argv)
    if (args.config is None) != (args.size is None):
        parser.error('CONFIG and --size HxW, its input, go together')
    if args.config and (args.task or args.markdown or args.write):
        parser.error(
            '--task, --markdown and --write are of the table of all configs, not of CONFIG'
        )
    if args.markdown and args.write:
        parser.error('--markdown prints the lines that --write writes: give one of them')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: the hosts take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (before any host is imported)

    warnings.simplefilter('ignore')  # the hosts warn about their own innards
    rows = [row for row in ROWS if args.task in (None, row.task)]
    if args.config:
        print_parts(args.config, args.size)
    elif args.write:
        write_files(rows)
    elif args.markdown:
        print_markdown(rows)
    else:
        print_table(rows)


def print_parts(config: Path, size: tuple[int, int]) -> None:
    from papers.count import count_config

    if not config.is_file():
        raise UserError(f'there is no {config}')
    complexity = count_config(config, size)
    print(f'{config} at {size[0]}x{size[1]}')
    for part in complexity.parts:
        print(f'  {part.name:20} {part.params / 1e6:8.3f} M {part.macs / 1e9:10.3f} GMACs')
    print(
        f'{complexity.params / 1e6:.3f} M parameters, {complexity.macs / 1e9:.3f} GMACs '
        f"({complexity.macs / 2**30:.3f} of the papers' GFLOPs, 2**30 multiply-adds)"
    )


def write_files(rows: list[Row]) -> None:
    from papers.count import count_row

    counted = {}
    for number, row in enumerate(rows, start=1):
        print(f'{number}/{len(rows)}: {row.config}', flush=True)
        complexity = count_row(row)
        counted[row.config] = complexity.params, complexity.macs
    for name, changed in write(rows, counted).items():
        print(f'{name}: {"written" if changed else "as it was"}')


def print_markdown(rows: list[Row]) -> None:
    from papers.count import count_row

    for row in rows:
        complexity = count_row(row)
        print(table_line(row, complexity.params, complexity.macs))


def print_table(rows: list[Row]) -> None:
    from papers.count import count_row

    print("M: parameters; GMACs: 10**9 multiply-adds; M*, G*: as the row's paper counts\n")
    print_line(COLUMNS)
    for row in rows:
        print_line(cells(row, count_row(row)))
    print(f'\n{len(rows)} models; docs/model_zoo.md explains every ratio that is not 1')


def cells(row: Row, complexity: Complexity) -> tuple[str, ...]:
    """One line of the table under COLUMNS: as it is, then (*) as the paper counts, beside it."""
    params = row.counting.params(complexity.params, complexity.norm_params)
    return (
        row.config,
        row.size,
        f'{complexity.params / 1e6:.2f}',
        f'{complexity.macs / 1e9:.2f}',
        *beside(params, row.params),
        *beside(row.counting.gflops(complexity.macs), row.gflops),
        score_cell(row),
    )


def beside(ours: float, printed: str) -> tuple[str, str, str]:
    """Our number, the printed one and their ratio."""
    return f'{ours:.2f}', printed or '-', f'{ours / float(printed):.3f}' if printed else '-'


def print_line(values: Sequence[str]) -> None:
    config, *numbers = values
    columns = [f'{value:>{width}}' for value, width in zip(numbers, WIDTHS[1:], strict=True)]
    print('  '.join((f'{config:{WIDTHS[0]}}', *columns)), flush=True)
