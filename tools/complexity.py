"""Count parameters and multiply-adds: of one config, or of all of them beside the papers' numbers.

python tools/complexity.py
python tools/complexity.py configs/pose/hrnet_w32_coco_256x192.py --shape 256 192
"""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.cli import UserError
from hrnet_mm.complexity import COLUMNS, ROWS, cells, count_config, count_row, markdown_line

WIDTHS = (51, 9, 7, 7, 7, 6, 6, 7, 6, 6, 0)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Count the parameters and multiply-adds of a whole model.'
    )
    parser.add_argument('config', type=Path, nargs='?', help='default: the table of all configs')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='the input size')
    parser.add_argument('--task', choices=sorted({row.task for row in ROWS}), help='part of it')
    parser.add_argument('--markdown', action='store_true', help='the lines of docs/TASK.md')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    args = parser.parse_args(argv)
    if args.config and not args.shape:
        parser.error('give the input size: --shape H W')
    if args.config is None and args.shape:
        parser.error('--shape needs a config')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    warnings.simplefilter('ignore')  # the hosts warn about their own innards
    if args.config:
        print_parts(args.config, tuple(args.shape))
    else:
        print_table(args.task, args.markdown)


def print_parts(config: Path, shape: tuple[int, int]) -> None:
    if not config.is_file():
        raise UserError(f'there is no {config}')
    if min(shape) < 32:
        raise UserError(f'--shape {shape[0]} {shape[1]}: HRNet needs at least 32 pixels a side')
    complexity = count_config(config, shape)
    print(f'{config} at {shape[0]}x{shape[1]}')
    for part in complexity.parts:
        print(f'  {part.name:20} {part.params / 1e6:8.3f} M {part.macs / 1e9:10.3f} GMACs')
    print(
        f'{complexity.params / 1e6:.3f} M parameters, {complexity.macs / 1e9:.3f} GMACs '
        f"({complexity.macs / 2**30:.3f} of the papers' GFLOPs, 2**30 multiply-adds)"
    )


def print_table(task: str | None, markdown: bool) -> None:
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


if __name__ == '__main__':
    from hrnet_mm.cli import run_tool

    run_tool(main)
