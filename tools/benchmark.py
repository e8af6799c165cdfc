"""Time HRNets side by side: ours, the hosts' copies, timm's, and what runs them faster.

python tools/benchmark.py
python tools/benchmark.py --contestants ours optimised mmpose+freeze openvino --batch 1 8
python tools/benchmark.py --mode train --batch 4 --isolate --contestants ours ours+cp mmpose
python tools/benchmark.py --contestants mmpose@fp32 optimised@bf16 openvino@bf16
python tools/benchmark.py --paper-table pose
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.benchmark import contestants as spec
from hrnet_mm.benchmark.case import MODES, PRECISIONS, UPSAMPLE
from hrnet_mm.benchmark.paper_models import PAPER_TASKS

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


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Time HRNets side by side, in turns, on the same weights.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_cases(parser.add_argument_group('what (several of each: all combinations)'))
    add_measurement(parser.add_argument_group('how'))
    parser.add_argument(
        '--paper-table',
        nargs='*',
        choices=PAPER_TASKS,
        metavar='TASK',
        help="instead: the paper's table of memory and time (pose, seg, det; default: all)",
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmark'),
        metavar='DIR',
        help='of the results',
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args(argv)


def add_cases(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--contestants', nargs='+', default=list(spec.DEFAULT), metavar='C', help='see below'
    )
    group.add_argument('--baseline', default='mmpose', metavar='C', help='default: mmpose, eager')
    group.add_argument('--task', nargs='+', choices=tuple(UPSAMPLE), default=['pose'])
    group.add_argument('--arch', nargs='+', default=['w32'], help='w18, w32, ..., or a width')
    group.add_argument(
        '--size', nargs='+', metavar='HxW', help='of the images; default: of the task'
    )
    group.add_argument('--batch', nargs='+', type=positive, metavar='N', help='images; default 1')
    group.add_argument('--mode', nargs='+', choices=MODES, default=['infer'])
    group.add_argument('--precision', nargs='+', choices=tuple(PRECISIONS), default=['fp32'])
    group.add_argument('--upsample', choices=('nearest', 'bilinear'), help="default: the task's")
    group.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1, ...; default: cpu')


def add_measurement(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--threads', type=positive, metavar='N', help='default: one per core')
    group.add_argument('--rounds', type=positive, default=20, metavar='N', help='default: 20')
    group.add_argument(
        '--turn-seconds',
        type=not_negative,
        default=0.1,
        metavar='S',
        help='how long a contestant runs in a round at least; default: 0.1',
    )
    group.add_argument('--warmup', type=positive, default=2, metavar='N', help='calls; default: 2')
    group.add_argument(
        '--isolate',
        action='store_true',
        help='also memory, compile time and cold start, each contestant in its own process',
    )
    group.add_argument('--no-cudnn-benchmark', action='store_true', help='cuDNN tries nothing')
    group.add_argument(
        '--quick',
        action='store_true',
        help='a rehearsal with the smallest network, images and numbers; its times mean nothing',
    )


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return number


def not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is no number of seconds')
    return number


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    command = ['tools/benchmark.py', *(sys.argv[1:] if argv is None else argv)]
    # Imported late: a wrong argument should not wait for them.
    if args.paper_table is None:
        from hrnet_mm.benchmark.command import benchmark

        benchmark(args, command)
    else:
        from hrnet_mm.benchmark.command import paper_table

        paper_table(args, command)


if __name__ == '__main__':
    from hrnet_mm.cli import run_tool

    run_tool(main)
