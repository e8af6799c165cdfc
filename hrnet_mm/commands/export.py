"""Write a model's HRNet as ONNX, OpenVINO IR, a torch.export program or an AOTInductor package.

hrnet export CONFIG CHECKPOINT w32.onnx
hrnet export CONFIG CHECKPOINT w32.xml --precision int8 --calibration photos/
hrnet export CONFIG CHECKPOINT w32.pt2 --aot --evaluate

hrnet predict and hrnet test take the file in the place of the checkpoint.
"""

import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hrnet_mm.base.formats import PRECISIONS, SUFFIXES, check_precision, kind_of
from hrnet_mm.commands.arguments import (
    Parser,
    add_calibration,
    add_changes,
    add_checkpoint,
    add_config,
    add_data_root,
    add_device,
    add_size,
    add_trust,
)
from hrnet_mm.commands.at_once import check_at_once


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_config(parser)
    add_checkpoint(parser, or_exported=False)
    parser.add_argument(
        'out', type=Path, metavar='OUT', help=f'its ending is the format: {", ".join(SUFFIXES)}'
    )
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32', help='default: fp32')
    parser.add_argument(
        '--aot', action='store_true', help='of .pt2: compiled by AOTInductor, for this machine'
    )
    add_calibration(parser)
    add_size(
        parser,
        help='of the images to compare file and model on; default: as the test pipeline makes them',
    )
    parser.add_argument(
        '--evaluate',
        action='store_true',
        help="measure file and checkpoint on the config's test data",
    )
    add_data_root(parser)
    add_device(
        parser, 'cpu', 'where model and file are compared, and a package of --aot is to run: '
    )
    add_changes(parser)
    add_trust(parser)
    args = parser.parse_args(argv)
    if args.data_root and not args.evaluate:
        parser.error('--data-root is of the test data, which only --evaluate reads')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    kind = kind_of(args.out, args.aot)
    check_precision(kind, args.out, args.precision)
    check_at_once(args)
    # Imported late: the hosts take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
    from hrnet_mm.base.config import read_config
    from hrnet_mm.commands.cfg_options import as_typed
    from hrnet_mm.commands.export_file import compared_metrics, export
    from hrnet_mm.commands.from_arguments import find_device, take_over
    from hrnet_mm.deploy.table import FORMATS

    format = FORMATS[kind]
    format.check(args.out, args.precision)
    warnings.simplefilter('ignore')  # the hosts and torch.export warn about their own innards
    cfg = read_config(args.config, args.cfg_options, args.data_root)
    if args.takeover:
        take_over(cfg)
    done = export(
        cfg,
        args.checkpoint,
        args.out,
        format,
        precision=args.precision,
        size=args.size,
        calibration=args.calibration,
        boxes=args.boxes,
        device=find_device(args.device),
        trust=args.trust_checkpoint,
    )
    metrics = []
    if args.evaluate:
        metrics = compared_metrics(cfg, args.checkpoint, args.out, args.trust_checkpoint)
    print('\n'.join([*done.lines(), *metrics]))
    trust = ' --trust-checkpoint' if format.runs_code else ''
    options = as_typed(args.cfg_options)
    print(f'use it      hrnet predict {args.config} {args.out} photo.jpg{trust}{options}')
