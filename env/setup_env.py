"""Set up an environment of this checkout: a pinned OpenMMLab stack, from wheels alone.

Run by ``make env`` with any Python that the stack is for. Every finished step leaves a stamp, so a
second run takes a moment, a run after a failure continues where it stopped, and a changed version
repeats the steps that name it. What the hosts need stands in ``hrnet_mm/install``, which users run
too, and all versions in its folder ``pins``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
import venv
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from hrnet_mm.install.packages import (  # noqa: E402
    PINS,
    TASKS,
    bare_name,
    hosts_of,
    imports_of,
    in_stack,
    read_pins,
)


@dataclass(frozen=True)
class Stack:
    """``pins`` are the versions, a file of ``hrnet_mm/install/pins``; ``pythons`` is for what."""

    pins: str
    pythons: tuple[str, ...]
    fork: bool = False


STACKS = {
    'openmmlab': Stack('pinned', ('3.11', '3.12', '3.13')),
    'onedl': Stack('pinned', ('3.11', '3.12', '3.13'), fork=True),
    'oldest': Stack('oldest', ('3.10',)),
    'newest': Stack('newest', ('3.13',)),
}


@dataclass(frozen=True)
class Step:
    """Install ``packages`` with pip's ``options``; ``remedy`` is what to try when that fails."""

    name: str
    title: str
    packages: tuple[str, ...]
    remedy: str
    options: tuple[str, ...] = ()


NETWORK = 'Check that pip reaches a package index, then run the same command again.'
COMPILER = 'Check that a C++ compiler works (g++ --version; set CXX to choose one), then run again.'
NO_ISOLATION = ('--no-deps', '--no-build-isolation')
ENGINES = ('openvino', 'onnx', 'onnxruntime', 'nncf', 'av')
CHECKS = ('pytest', 'pytest-xdist', 'hypothesis', 'ruff', 'timm', 'tensorboard', 'pre-commit')
# Of mim's requirements opendatalab is left out: it fetches data sets for `mim download`, and would
# itself replace setuptools, requests and rich by versions of years ago.
MIM = ('openmim', 'pandas', 'tabulate', 'colorama', 'requests', 'urllib3', 'certifi', 'idna',
       'charset-normalizer')  # fmt: skip


def main() -> int:
    parser = ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('folder', type=Path, help='the virtual environment, made where it is not')
    parser.add_argument('--stack', choices=STACKS, default='openmmlab', help='whose packages')
    parser.add_argument('--mmcv-ops', action='store_true',
                        help='compile mmcv\'s operators and xtcocotools')  # fmt: skip
    args = parser.parse_args()
    folder, stack = args.folder.resolve(), STACKS[args.stack]
    if (found := '{}.{}'.format(*sys.version_info)) not in stack.pythons:
        right = ' or '.join(stack.pythons)
        print(f'The stack {args.stack} needs Python {right}; {sys.executable} is {found}.')
        print(f'Name another one: make env PYTHON=python{stack.pythons[0]}')
        return 1
    steps = steps_of(stack, args.mmcv_ops)
    with alone():
        return set_up(folder, stack, steps)


def set_up(folder: Path, stack: Stack, steps: list[Step]) -> int:
    """Make the environment and carry out what is not done; the exit code."""
    python = folder / 'bin' / 'python'
    made = folder / 'setup' / 'venv.done'
    finished = {stamp.stem for stamp in folder.glob('setup/*.done')}
    # Of an older layout, or interrupted before pip was in it.
    unfit = finished - {'venv', *(step.name for step in steps)} or not made.exists()
    if unfit:
        print(f'creating {folder}{" anew" if folder.exists() else ""}', flush=True)
        venv.create(folder, with_pip=True, clear=True)
        made.parent.mkdir()
        made.touch()
    for number, step in enumerate(steps, start=1):
        label = f'[{number}/{len(steps)}] {step.title}'
        if not install(step, stack, label, python, folder / 'setup'):
            return 1
    return 0


@contextmanager
def alone() -> Iterator[None]:
    """Wait while another process sets up an environment of this checkout; let later ones wait."""
    folder = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print('another process is setting up an environment here: waiting for it', flush=True)
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(folder)


def steps_of(stack: Stack, mmcv_ops: bool) -> list[Step]:
    """What is installed for a stack, in this order."""
    hosts = hosts_of(TASKS)
    if mmcv_ops:
        hosts.remove('mmcv-lite')
    [mmcv] = in_stack(['mmcv'], stack.fork)
    compiled = (
        Step('compiler', 'what compiling needs', ('ninja', 'Cython', 'psutil'), NETWORK),
        Step('mmcv', 'mmcv with compiled operators (the slow step: 2 minutes on 2 cores, 6 where '
             'the compiler takes no precompiled header)', (mmcv,), COMPILER),
        # xtcocotools' wheel was built against numpy 1 and crashes on numpy 2: compile it here.
        Step('xtcocotools', 'xtcocotools, compiled against the installed numpy', ('xtcocotools',),
             COMPILER, ('--no-binary', 'xtcocotools', *NO_ISOLATION)),
    )  # fmt: skip
    return [
        Step('build-tools', 'pip and the build tools', ('pip', 'setuptools', 'wheel'), NETWORK),
        Step('torch', 'PyTorch', ('torch', 'torchvision'), NETWORK),
        Step('libraries', 'libraries that the hosts import, engines, tools of the tests',
             (*imports_of(hosts, stack.fork), *ENGINES, *CHECKS), NETWORK),
        Step('hosts', 'mmengine, mmcv and the hosts', (*in_stack(hosts, stack.fork), *MIM), NETWORK,
             NO_ISOLATION),
        *(compiled if mmcv_ops else ()),
        Step('hrnet_mm', 'hrnet_mm itself, editable', (), NETWORK,
             (*NO_ISOLATION, '--editable', str(ROOT))),
    ]  # fmt: skip


def install(step: Step, stack: Stack, label: str, python: Path, state: Path) -> bool:
    """Carry out one step unless its stamp is there; False, with the reason printed, if it fails."""
    stamp, log = state / f'{step.name}.done', state / f'{step.name}.log'
    fingerprint = fingerprint_of(step, stack)
    if stamp.exists() and stamp.read_text() == fingerprint:
        return True
    print(f'{label} ...', flush=True)
    started = time.monotonic()
    with log.open('w') as output:
        for command in commands(step, stack, python, state):
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
            if done.returncode:
                output.flush()
                print(*log.read_text(errors='replace').splitlines()[-15:], sep='\n')
                print(f'\nSetting up failed at: {step.title}.\nThe full output is in {log}.')
                print(step.remedy)
                return False
    stamp.write_text(fingerprint)
    print(f'    done in {time.monotonic() - started:.0f} s', flush=True)
    return True


def commands(step: Step, stack: Stack, python: Path, state: Path) -> list[list[str]]:
    # Bytecode is made when a module is first imported; made of all modules at once, it takes longer
    # than the rest of this program.
    pip = [str(python), '-m', 'pip', 'install', '--no-compile', '--constraint', pins_of(stack)]
    call = [*pip, *step.options, *step.packages]
    if step.name == 'torch' and 'TORCH_INDEX' in os.environ:
        call += ['--extra-index-url', os.environ['TORCH_INDEX']]
    if step.name != 'mmcv':
        return [call]
    (package,) = step.packages
    wheels = str(state / 'mmcv')
    version = read_pins(stack.pins)[package]
    build = [str(python), str(HERE / 'mmcv_wheel.py'), package, version, wheels]
    return [build, [*pip, '--no-deps', '--no-index', '--find-links', wheels, package]]


def pins_of(stack: Stack) -> str:
    return str(PINS / f'{stack.pins}.txt')


def fingerprint_of(step: Step, stack: Stack) -> str:
    """What the step's result depends on: its packages' pins and, for compiled code, torch's."""
    names = {*step.packages, *(('torch',) if step.name == 'mmcv' else ())}
    pins = read_pins(stack.pins)
    versions = sorted((name, pins.get(name)) for name in map(bare_name, names))
    facts = repr((sys.version_info[:2], step.options, sorted(names), versions))
    return hashlib.sha256(facts.encode()).hexdigest()


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit('\nstopped; run the same command again to go on')
