"""Convert HRNet weights between projects, and say what became of every key.

hrnet convert pose_hrnet_w32_256x192.pth out.pth --to mmpose
hrnet convert hf-hub:timm/hrnet_w32.ms_in1k out.pth --to mmpose --verify 224
hrnet convert epoch_210.pth out.safetensors --to official
"""

import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from hrnet_mm.commands.arguments import SOURCES, Parser, add_trust, positive
from hrnet_mm.weights.layouts import FAMILIES, LAYOUTS


def parse_args(argv: Sequence[str] | None) -> Namespace:
    layouts = ', '.join(layout.name for layout in LAYOUTS)
    parser = Parser(__doc__, epilog=fill(f'--to and --from also take a layout: {layouts}', 80))
    parser.add_argument('input', metavar='IN', help=SOURCES)
    parser.add_argument(
        'output', metavar='OUT', type=Path, help='the file to write: .pth, .pt or .safetensors'
    )
    parser.add_argument(
        '--to', required=True, metavar='|'.join(FAMILIES), help='whose names to write'
    )
    parser.add_argument(
        '--from', dest='from_', metavar='LAYOUT', help='whose names IN has; default: recognised'
    )
    parser.add_argument('--entry', metavar='NAME', help='the entry of IN that holds the weights')
    parser.add_argument(
        '--prefix',
        metavar='TEXT',
        help='what the keys of the one network begin with, if IN holds several',
    )
    parser.add_argument(
        '--verify',
        type=positive,
        metavar='SIDE',
        help='run both networks on an image of SIDE x SIDE pixels, a multiple of 32; of detectors, '
        'DEKR, CID and OCR without the head',
    )
    parser.add_argument('--keys', action='store_true', help='list every key, not the first dozen')
    add_trust(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: torch and MMEngine take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (before any host is imported)
    from hrnet_mm.weights.convert_file import convert_file, lines_of

    warnings.simplefilter('ignore')  # the hosts warn about their own innards
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
    if args.prefix:
        print(f'outside  {done.outside} keys are not below {args.prefix}')
    for found in done.comparisons:
        what = ' '.join(filter(None, ('verified', found.part)))
        print(
            f'{what} in {found.other} against the original in {found.reference}: '
            f'largest difference {found.difference:.1e} of the largest output'
        )
    if {found.reference for found in done.comparisons} == {'hrnet_mm'}:
        print('         (no library that has the original layout is installed)')
    print(f'sha256   {done.sha256}\n{args.output}')
