"""Look for mistakes in a config and the data that it names: seconds, before hours of training.

python tools/check.py CONFIG
python tools/check.py CONFIG --data-root data/mine --cfg-options train_cfg.max_epochs=20
"""

from argparse import Namespace
from collections.abc import Sequence

from hrnet_mm.commands.arguments import Parser, add_run


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_run(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: the hosts take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
    from hrnet_mm.check import make_sure, say
    from hrnet_mm.commands.from_arguments import config_from

    findings = make_sure(config_from(args), say)
    doubtful = sum(finding.level == 'warning' for finding in findings)
    print(f'{args.config}: nothing is surely wrong, {doubtful} warnings')
