"""The whole way on synthetic people: make them, train a small HRNet, evaluate it, draw it."""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import hrnet_mm.compat  # noqa: F401  (the fixes run before a host is imported)
from hrnet_mm.cli import UserError, run_tool
from hrnet_mm.datasets.synthetic_people import make_synthetic_people
from hrnet_mm.inference.comparison import compare_poses

TOOLS = Path(__file__).resolve().parent
CONFIG = TOOLS.parent / 'configs/demo/hrnet_small_synthetic_128x96.py'
# glibc gives memory back to the system after every step and takes it again; keeping it made
# training on a CPU faster. Other allocators ignore these.
KEEP_MEMORY = dict(
    MALLOC_MMAP_MAX_='0',
    MALLOC_TRIM_THRESHOLD_='100000000000',
    MALLOC_TOP_PAD_='67108864',
)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, default=Path('data/synthetic_people'))
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo_pose'))
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    args = parser.parse_args()

    make_synthetic_people(args.data)
    started = time.monotonic()
    run('train.py', CONFIG, '--work-dir', args.work_dir, '--data-root', args.data, '--seed', 0)
    seconds = time.monotonic() - started
    checkpoint = Path((args.work_dir / 'last_checkpoint').read_text())
    picture = args.work_dir / 'demo.png'
    metrics = run(
        'test.py', CONFIG, checkpoint, '--work-dir', args.work_dir, '--data-root', args.data
    )
    annotations = args.data / 'annotations/person_keypoints_val.json'
    compare_poses(CONFIG, checkpoint, annotations, args.data / 'val', picture)
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


if __name__ == '__main__':
    run_tool(main)
