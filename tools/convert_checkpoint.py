"""Convert HRNet weights between projects, and say what became of every key.

python tools/convert_checkpoint.py pose_hrnet_w32_256x192.pth out.pth --to mmpose
python tools/convert_checkpoint.py hf-hub:timm/hrnet_w32.ms_in1k out.pth --to mmpose --verify 224
python tools/convert_checkpoint.py epoch_210.pth out.safetensors --to official
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.checkpoints.layouts import FAMILIES, LAYOUTS


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    layouts = ', '.join(layout.name for layout in LAYOUTS)
    parser = argparse.ArgumentParser(
        description='Convert the weights of an HRNet between projects.',
        epilog=f'--to and --from also take a layout: {layouts}',
    )
    parser.add_argument(
        'input', metavar='IN', help='a path, URL, open-mmlab://NAME or hf-hub:OWNER/NAME'
    )
    parser.add_argument(
        'output', metavar='OUT', type=Path, help='the file to write: .pth, .pt or .safetensors'
    )
    parser.add_argument('--to', required=True, metavar='|'.join(FAMILIES), help='the target')
    parser.add_argument('--from', dest='from_', metavar='LAYOUT', help='default: recognised')
    parser.add_argument('--entry', metavar='NAME', help='the entry of IN that holds the weights')
    parser.add_argument('--prefix', help='of the keys to convert, if IN holds several networks')
    parser.add_argument(
        '--verify', type=int, metavar='SIZE', help='run both networks on an image of this size'
    )
    parser.add_argument('--keys', action='store_true', help='list every key')
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load IN even if it asks for code to be run: it runs with all your rights. What is '
        'written holds tensors and plain values only',
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    warnings.simplefilter('ignore')  # the hosts warn about their own innards
    # Imported late: torch and MMEngine take seconds, a wrong argument should not.
    from hrnet_mm.checkpoints.convert_file import convert_file, lines_of

    if args.trust_checkpoint:
        print(f'--trust-checkpoint: code in {args.input} may run now', file=sys.stderr)
    done = convert_file(
        args.input,
        args.output,
        args.to,
        from_=args.from_,
        entry=args.entry,
        prefix=args.prefix,
        size=args.verify,
        trust=args.trust_checkpoint,
    )
    report = done.report
    print(f'{done.arch}: {report.source.layout.name} -> {report.target.layout.name}')
    for line in lines_of(report, args.keys):
        print(line)
    for found in done.comparisons:
        print(
            f'verified in {found.other} against the original in {found.reference}: '
            f'largest difference {found.difference:.1e} of the largest output'
        )
    if {found.reference for found in done.comparisons} == {'hrnet_mm'}:
        print('         (no library that has the original layout is installed)')
    print(f'sha256   {done.sha256}\n{args.output}')


if __name__ == '__main__':
    from hrnet_mm.cli import run_tool

    run_tool(main)
