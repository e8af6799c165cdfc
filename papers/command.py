"""Count parameters and multiply-adds: of one config, or of all of them beside the papers' numbers.

python tools/complexity.py
python tools/complexity.py configs/pose/hrnet_w32_coco_256x192.py --size 256x192
"""

import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.arguments import Parser, add_config, add_size
from papers.rows import ROWS

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
    args = parser.parse_args(argv)
    if (args.config is None) != (args.size is None):
        parser.error('CONFIG and --size HxW, its input, go together')
    if args.config and (args.task or args.markdown):
        parser.error('--task and --markdown are of the table of all configs, not of CONFIG')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: the hosts take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (before any host is imported)

    warnings.simplefilter('ignore')  # the hosts warn about their own innards
    if args.config:
        print_parts(args.config, args.size)
    else:
        print_table(args.task, args.markdown)


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


def print_table(task: str | None, markdown: bool) -> None:
    from papers.count import COLUMNS, cells, count_row, markdown_line

    rows = [row for row in ROWS if task in (None, row.task)]
    if not markdown:
        print("M: parameters; GMACs: 10**9 multiply-adds; M*, G*: as the row's paper counts\n")
        print_line(COLUMNS)
    for row in rows:
        complexity = count_row(row)
        if markdown:
            print(markdown_line(row, complexity))
        else:
            print_line(cells(row, complexity))
    if not markdown:
        print(f'\n{len(rows)} models; docs/model_zoo.md explains every ratio that is not 1')


def print_line(values: Sequence[str]) -> None:
    config, *numbers = values
    columns = [f'{value:>{width}}' for value, width in zip(numbers, WIDTHS[1:], strict=True)]
    print('  '.join((f'{config:{WIDTHS[0]}}', *columns)), flush=True)
