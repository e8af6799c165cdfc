"""Train a model from a config: pose, segmentation, detection, landmarks or classification.

hrnet train CONFIG
hrnet train CONFIG --resume
hrnet train CONFIG --data-root data/mine --epochs 20 --batch-size 8 --auto-scale-lr
"""

from argparse import Namespace
from collections.abc import Sequence

from hrnet_mm.base.garbage import uncollected
from hrnet_mm.commands.arguments import Parser, add_fast, add_run, positive, seed
from hrnet_mm.commands.at_once import check_at_once


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    add_run(parser)
    parser.add_argument(
        '--epochs',
        type=positive,
        metavar='N',
        help="train for N epochs: the config's whole schedule is scaled, warm-up included",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint, or from the latest in the work folder',
    )
    add_fast(
        parser, ('fp32', 'bf16'), 'train backbone and neck faster; with bf16, in mixed precision'
    )
    parser.add_argument(
        '--amp', action='store_true', help="the host's mixed-precision training (GPU)"
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by the batch size over the config's base_batch_size",
    )
    parser.add_argument(
        '--seed', type=seed, metavar='N', help='of every generator of random numbers'
    )
    parser.add_argument(
        '--deterministic', action='store_true', help='use deterministic algorithms only'
    )
    parser.add_argument(
        '--no-check', action='store_true', help='do not look for mistakes in config and data first'
    )
    parser.add_argument('--tensorboard', action='store_true', help='write TensorBoard scalars too')
    args = parser.parse_args(argv)
    if args.no_validate and args.show_dir:
        parser.error('--show-dir draws what evaluation predicts; --no-validate takes that away')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    check_at_once(args)
    # Imported late: the hosts take seconds, a wrong argument should not.
    with uncollected():
        import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
        from hrnet_mm.check import make_sure, say
        from hrnet_mm.commands.from_arguments import apply_train_options, config_from
        from hrnet_mm.training.run import train, training_phases
        from hrnet_mm.weights.trust import trusting

    cfg = config_from(args)
    for sentence in apply_train_options(cfg, args):
        say(sentence)
    if not args.no_check:
        make_sure(cfg, say, training_phases(cfg))
    with trusting(args.trust_checkpoint):
        runner = train(cfg, keep_length=args.epochs is not None)
    print(f'trained; logs and checkpoints are in {runner.work_dir}')
