"""Time HRNets side by side: ours, the hosts' copies, timm's, and what runs them faster.

python tools/benchmark.py
python tools/benchmark.py --contestants ours optimised mmpose+freeze openvino --batch 1 8
python tools/benchmark.py --mode train --batch 4 --isolate --contestants ours ours+cp mmpose
python tools/benchmark.py --contestants mmpose@fp32 optimised@bf16 openvino@bf16
python tools/benchmark.py --paper-table pose
python tools/benchmark.py --grouping
"""

import sys
from argparse import Namespace, _ArgumentGroup
from collections.abc import Sequence
from pathlib import Path

from benchmark import candidates as spec
from benchmark.paper_models import PAPER_TASKS
from hrnet_mm.commands.arguments import Parser, add_device, add_size, positive, seconds

NOT_OF_THE_PAPERS_TABLE = [
    'contestants',
    'baseline',
    'task',
    'arch',
    'size',
    'mode',
    'upsample',
    'isolate',
]
OPTIONS = '\n'.join(
    f'  {name:14} {what}' for name, what in (spec.EXECUTIONS | spec.SWITCHES).items()
)
SHORTS = '\n'.join(f'  {name:14} {what}' for name, what in spec.SHORT.items())
EPILOG = f"""
contestants: NETWORK[+OPTION...][@PRECISION]
  networks: {', '.join(spec.NETWORKS)}
options:
{OPTIONS}
short for:
{SHORTS}
"""


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__, EPILOG)
    add_workloads(parser.add_argument_group('what (several of each: all combinations)'))
    add_measurement(parser.add_argument_group('how'))
    parser.add_argument(
        '--paper-table',
        nargs='*',
        choices=PAPER_TASKS,
        metavar='TASK',
        help="instead: the paper's table of memory and time (pose, seg, det; default: all)",
    )
    parser.add_argument(
        '--grouping',
        action='store_true',
        help='instead: the grouping of people of bottom-up poses, on random scenes',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmark'),
        metavar='DIR',
        help='the folder of the results; default: work_dirs/benchmark',
    )
    args = parser.parse_args(argv)
    if args.no_cudnn_benchmark and args.device == 'cpu':
        parser.error('--no-cudnn-benchmark is of a GPU: --device cuda')
    if args.grouping and args.device != 'cpu':
        parser.error('--grouping is on the CPU')
    if args.grouping and args.paper_table is not None:
        parser.error('--grouping and --paper-table exclude each other')
    if args.paper_table is not None:
        for name in NOT_OF_THE_PAPERS_TABLE:
            if getattr(args, name) != parser.get_default(name):
                parser.error(f"--{name} does not go with --paper-table, whose rows are the paper's")
    return args


def add_workloads(group: _ArgumentGroup) -> None:
    group.add_argument(
        '--contestants',
        nargs='+',
        default=list(spec.DEFAULT),
        metavar='C',
        help='who takes part, see below',
    )
    group.add_argument(
        '--baseline',
        default='mmpose',
        metavar='C',
        help='whom the others are set against; default: mmpose',
    )
    group.add_argument(
        '--task',
        nargs='+',
        choices=tuple(spec.UPSAMPLE),
        default=['pose'],
        help='whose network; default: pose',
    )
    group.add_argument(
        '--arch',
        nargs='+',
        default=['w32'],
        metavar='A',
        help='w18, w32, ..., or a width; default: w32',
    )
    add_size(group, nargs='+', help='of the images; default: of the task')
    group.add_argument('--batch', nargs='+', type=positive, metavar='N', help='images; default 1')
    group.add_argument(
        '--mode', nargs='+', choices=spec.MODES, default=['infer'], help='default: infer'
    )
    group.add_argument(
        '--precision',
        nargs='+',
        choices=tuple(spec.PRECISIONS),
        default=['fp32'],
        help='default: fp32',
    )
    group.add_argument('--upsample', choices=('nearest', 'bilinear'), help="default: the task's")
    add_device(group, 'cpu')


def add_measurement(group: _ArgumentGroup) -> None:
    group.add_argument(
        '--threads', type=positive, metavar='N', help='of the CPU; default: one per core'
    )
    group.add_argument(
        '--rounds', type=positive, default=20, metavar='N', help='turns of each; default: 20'
    )
    group.add_argument(
        '--turn-seconds',
        type=seconds,
        default=0.1,
        metavar='S',
        help='how long a contestant runs in a round at least; default: 0.1',
    )
    group.add_argument(
        '--warmup',
        type=positive,
        default=2,
        metavar='N',
        help='calls before the first round; default: 2',
    )
    group.add_argument(
        '--isolate',
        action='store_true',
        help='also memory, compile time and cold start, each contestant in its own process',
    )
    group.add_argument(
        '--no-cudnn-benchmark', action='store_true', help='cuDNN does not try its algorithms'
    )
    group.add_argument(
        '--quick',
        action='store_true',
        help='a rehearsal with the smallest network, images and numbers, whatever else is asked '
        'for; its times mean nothing',
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    command = ['tools/benchmark.py', *(sys.argv[1:] if argv is None else argv)]
    # Imported late: a wrong argument should not wait for them.
    import hrnet_mm.compat  # noqa: F401  (before any host is imported)
    from benchmark import run

    if args.grouping:
        run.grouping(args, command)
    elif args.paper_table is None:
        run.benchmark(args, command)
    else:
        run.paper_table(args, command)
