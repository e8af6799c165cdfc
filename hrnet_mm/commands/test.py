"""Evaluate a checkpoint on the config's test data, with the metrics of the host.

hrnet test CONFIG CHECKPOINT
hrnet test CONFIG CHECKPOINT --report report
hrnet test CONFIG CHECKPOINT --fast int8 --calibration photos/
hrnet test CONFIG CHECKPOINT --out predictions.pkl --show-dir drawn
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrnet_mm.base.formats import PRECISIONS, check_calibration
from hrnet_mm.base.garbage import uncollected
from hrnet_mm.base.given import check_fast
from hrnet_mm.commands.arguments import Parser, add_calibration, add_checkpoint, add_fast, add_run
from hrnet_mm.commands.at_once import check_at_once


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_run(parser)
    add_checkpoint(parser)
    add_fast(parser, PRECISIONS)
    add_calibration(parser)
    parser.add_argument(
        '--out', metavar='FILE.pkl', help='write the predictions to this pickle file'
    )
    parser.add_argument(
        '--report',
        type=Path,
        metavar='DIR',
        help='write DIR/report.html: metrics, every class, the worst and the best images',
    )
    args = parser.parse_args(argv)
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'argument --out: {args.out}: the name must end in .pkl or .pickle')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    check_fast(args.checkpoint, args.fast)
    check_calibration('--fast', args.fast, args.calibration, args.boxes)
    check_at_once(args)
    # Imported late: the hosts take seconds, a wrong argument should not.
    with uncollected():
        import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
        from hrnet_mm.base.config import as_list
        from hrnet_mm.commands.from_arguments import (
            apply_loader_options,
            calibration_inputs,
            config_from,
            weights_from,
        )
        from hrnet_mm.report.evaluation import Collector, about_test, check_folder, write_page
        from hrnet_mm.training.run import test
        from hrnet_mm.weights.trust import trusting

    cfg = config_from(args)
    apply_loader_options(cfg, args, 'test')
    if args.out is not None:
        dump = dict(type='DumpResults', out_file_path=args.out)
        cfg.test_evaluator = [*as_list(cfg.test_evaluator), dump]
    if args.report is not None:
        check_folder(args.report)
    collector = Collector()
    hooks = [] if args.report is None else [collector]
    with trusting(args.trust_checkpoint):
        images = None
        if args.calibration is not None:
            images = calibration_inputs(cfg, args.checkpoint, args.calibration, args.boxes)
        metrics = test(cfg, weights_from(args.checkpoint, args.fast, images), hooks)
    printed = {name: text_of(value) for name, value in metrics.items()}
    try:
        if args.report is not None and collector.is_first:
            about = about_test(cfg, args.checkpoint, args.fast, collector.images)
            print(f'report: {write_page(args.report, about, printed, collector, cfg)}')
    finally:  # a page that cannot be written takes no metrics away
        print(', '.join(f'{name} {text}' for name, text in printed.items()), flush=True)


def text_of(value: Any) -> str:
    """A metric as it is printed; most are numbers, a matrix of confusions is none."""
    try:
        return f'{value:.4g}'
    except (TypeError, ValueError):
        return ' '.join(str(value).split())
