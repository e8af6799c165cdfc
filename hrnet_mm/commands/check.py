"""Look for mistakes in a config and the data that it names: seconds, before hours of training.

hrnet check CONFIG
hrnet check CONFIG --data-root data/mine --cfg-options train_cfg.max_epochs=20
hrnet check CONFIG --show samples
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hrnet_mm.commands.arguments import (
    Parser,
    add_changes,
    add_config,
    add_data_root,
    positive,
    seed,
)
from hrnet_mm.commands.at_once import check_at_once

SAMPLES = 8


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_config(parser)
    add_data_root(parser)
    add_changes(parser)
    parser.add_argument(
        '--show',
        type=Path,
        metavar='DIR',
        help='draw samples of the training into this folder, as the network gets them after '
        'augmentation, with their labels',
    )
    parser.add_argument(
        '--show-samples',
        type=positive,
        metavar='N',
        help=f'how many samples --show draws; default: {SAMPLES}',
    )
    parser.add_argument(
        '--seed',
        type=seed,
        metavar='N',
        help="of the samples and their augmentation; default: the config's, or 0",
    )
    args = parser.parse_args(argv)
    for flag in ('show_samples', 'seed'):
        if getattr(args, flag) is not None and args.show is None:
            parser.error(f'--{flag.replace("_", "-")} is of what --show draws; name its folder')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    check_at_once(args)
    # Imported late: the hosts take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
    from hrnet_mm.check import make_sure, say
    from hrnet_mm.commands.from_arguments import changed_config
    from hrnet_mm.report.samples import show_samples

    cfg = changed_config(args)
    findings = make_sure(cfg, say)
    if args.show is not None:
        for line in show_samples(cfg, args.show, args.show_samples or SAMPLES, args.seed):
            print(line, flush=True)
    doubtful = sum(finding.level == 'warning' for finding in findings)
    print(f'{args.config}: nothing is surely wrong, {doubtful} warnings')
