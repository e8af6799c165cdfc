"""Train a model from a config: pose, segmentation, detection, landmarks or classification."""

from argparse import ArgumentParser

import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
from hrnet_mm.cli import run_tool
from hrnet_mm.engine.options import (
    add_common_options,
    add_fast_option,
    apply_train_options,
    config_from,
)
from hrnet_mm.engine.run import train


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    add_common_options(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint, or from the latest in the work folder',
    )
    add_fast_option(
        parser, ('fp32', 'bf16'), 'train backbone and neck faster; with bf16, in mixed precision'
    )
    parser.add_argument('--amp', action='store_true', help='mixed-precision training (GPU)')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by the batch size over the config's base_batch_size",
    )
    parser.add_argument('--seed', type=int, help='of every random number generator')
    parser.add_argument(
        '--deterministic', action='store_true', help='use deterministic GPU algorithms'
    )
    parser.add_argument('--tensorboard', action='store_true', help='write TensorBoard scalars too')
    args = parser.parse_args()

    cfg = config_from(args)
    apply_train_options(cfg, args)
    runner = train(cfg, args.trust_checkpoint)
    print(f'trained; logs and checkpoints are in {runner.work_dir}')


if __name__ == '__main__':
    run_tool(main)
