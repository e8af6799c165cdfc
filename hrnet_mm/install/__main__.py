"""Install OpenMMLab's packages for some tasks beside the PyTorch of this environment, by pip.

No compiler is needed: hrnet_mm stands in for mmcv's operators and for xtcocotools, which would have
to be compiled. PyTorch, mmcv with compiled operators and OpenCV stay as they are where they are
installed. At the end the doctor says what works.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.metadata import distributions
from importlib.util import find_spec

from hrnet_mm.install.packages import TASKS, pip_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run pip, and then the doctor; return the exit code of the first that fails."""
    parser = ArgumentParser('hrnet install', description=__doc__.partition('\n')[0])
    parser.add_argument('tasks', nargs='+', choices=TASKS, metavar='TASK', help=', '.join(TASKS))
    parser.add_argument('--dry-run', action='store_true', help='print the commands, run nothing')
    args = parser.parse_args(argv)
    installed = installed_versions()
    try:
        calls = pip_commands(args.tasks, installed)
    except ValueError as error:
        parser.exit(1, f'error: {error}\n')
    if find_spec('pip') is None:  # as in environments that uv makes
        parser.exit(1, f'error: {sys.executable} has no pip: python -m ensurepip puts it there\n')
    commands = [[sys.executable, '-m', 'pip', '--quiet', *call] for call in calls]
    commands.append([sys.executable, '-m', 'hrnet_mm.doctor', *args.tasks])
    for command in commands:
        print('$', shlex.join(command), flush=True)
        if args.dry_run:
            continue
        started = time.monotonic()
        code = subprocess.run(command).returncode
        if code:
            return code
        print(f'    {time.monotonic() - started:.0f} s', flush=True)
    return 0


def installed_versions() -> dict[str, str]:
    """The version of every package by its name in lower case; of several the one imported."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata['Name']  # None where pip has left a part of one
        if name is not None:
            found.setdefault(re.sub('[-_.]+', '-', name).lower(), distribution.version)
    return found


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit('\nstopped; run the same command again to go on')
