"""The whole way on synthetic people: make them, train a small HRNet, evaluate it, draw it.

python tools/demo.py                 keypoints (mmpose)
python tools/demo.py --task det      boxes and masks (mmdet)
python tools/demo.py --task seg      body parts (mmseg)
python tools/demo.py --task bottomup keypoints of people who overlap, without boxes (mmpose)
"""

import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hrnet_mm.base.errors import UserError
from hrnet_mm.commands.arguments import Parser

TOOLS = Path(__file__).resolve().parents[1] / 'tools'
CONFIGS = dict(
    pose='hrnet_small_synthetic_128x96.py',
    det='mask_rcnn_hrnetv2p_w18_small_synthetic_320x256.py',
    seg='fcn_hrnetv2_w18_small_synthetic_320x256.py',
    bottomup='higherhrnet_small_synthetic_192x192.py',
)
# glibc gives memory back to the system after every step and takes it again; keeping it made
# training on a CPU faster. Other allocators ignore these.
KEEP_MEMORY = dict(
    MALLOC_MMAP_MAX_='0',
    MALLOC_TRIM_THRESHOLD_='100000000000',
    MALLOC_TOP_PAD_='67108864',
)


def parse_args(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(__doc__)
    parser.add_argument('--task', choices=tuple(CONFIGS), default='pose', help='default: pose')
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='the folder of the people, made where they are not; default: data/synthetic_people, '
        'of bottomup data/synthetic_crowds',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        metavar='DIR',
        help='the folder of logs and checkpoints; default: work_dirs/demo_<task>',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # Imported late: the hosts take seconds, a wrong argument should not.
    import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
    from demo.people.synthetic_people import make_synthetic_people
    from demo.picture import compare
    from hrnet_mm.base.config import read_config, set_data_root

    config = TOOLS.parent / 'configs/demo' / CONFIGS[args.task]
    crowds = args.task == 'bottomup'
    data = args.data or Path('data', 'synthetic_crowds' if crowds else 'synthetic_people')
    work_dir = args.work_dir or Path(f'work_dirs/demo_{args.task}')
    folders = ('--work-dir', work_dir, '--data-root', data)

    make_synthetic_people(data, crowds=crowds)
    started = time.monotonic()
    run('train.py', config, *folders, '--seed', 0)
    seconds = time.monotonic() - started
    checkpoint = Path((work_dir / 'last_checkpoint').read_text())
    metrics = run('test.py', config, checkpoint, *folders)
    cfg = read_config(config)
    set_data_root(cfg, str(data))
    picture = work_dir / 'demo.png'
    compare(cfg, checkpoint, picture)
    print(f'trained and evaluated in {seconds:.0f} s; on people it has not seen: {metrics}')
    print(f'ground truth beside prediction: {picture}')


def run(tool: str, *arguments: object) -> str:
    """Run a tool, show what it prints, and return its last line."""
    command = [sys.executable, '-u', str(TOOLS / tool), *map(str, arguments)]
    print('$ python', *[Path(command[2]).relative_to(TOOLS.parent), *command[3:]], flush=True)
    last_line = ''
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | KEEP_MEMORY
    ) as process:
        for line in process.stdout:
            print(line, end='', flush=True)
            last_line = line.strip()
    if process.returncode:
        raise UserError(f'tools/{tool} failed; what it said is above')
    return last_line
