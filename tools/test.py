"""Evaluate a checkpoint on the config's test data, with the metrics of the host."""

from argparse import ArgumentParser

import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
from hrnet_mm.cli import run_tool
from hrnet_mm.engine.options import (
    add_common_options,
    add_fast_option,
    apply_test_options,
    config_from,
)
from hrnet_mm.engine.run import test


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    add_common_options(parser)
    parser.add_argument('checkpoint', help='the checkpoint file, or what tools/export.py wrote')
    add_fast_option(parser)
    parser.add_argument(
        '--out', metavar='FILE.pkl', help='write the predictions to this pickle file'
    )
    args = parser.parse_args()

    cfg = config_from(args)
    apply_test_options(cfg, args)
    metrics = test(cfg, args.trust_checkpoint, args.fast)
    print(', '.join(f'{name} {value:.4g}' for name, value in metrics.items()))


if __name__ == '__main__':
    run_tool(main)
