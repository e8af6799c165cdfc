"""Set up an environment of this checkout: a pinned OpenMMLab stack, mmcv's operators included.

Run by ``make env`` with any Python 3.10+ that has venv. Every finished step leaves a stamp, so a
second run takes a moment, a run after a failure continues where it stopped, and a changed version
in ``constraints.txt`` repeats the steps that name it. ``--stack onedl`` takes the maintained fork.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
import venv
from argparse import ArgumentParser
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CONSTRAINTS = HERE / 'constraints.txt'


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

STEPS = (
    Step('build-tools', 'pip and the build tools',
         ('pip', 'setuptools', 'wheel', 'ninja', 'Cython', 'psutil'), NETWORK),
    Step('torch', 'PyTorch', ('torch', 'torchvision', 'numpy'), NETWORK),
    Step('libraries', 'libraries the hosts use',
         ('opencv-python', 'scipy', 'matplotlib', 'pillow', 'pycocotools', 'shapely',
          'terminaltables', 'prettytable', 'tqdm',
            'six', 'rich', 'einops', 'mat4py', 'modelindex',
          'importlib-metadata', 'ftfy', 'regex', 'json-tricks', 'munkres', 'mmengine'), NETWORK),
    Step('mmcv', 'mmcv with compiled operators (the slow step: 2 minutes on 2 cores, '
         '6 where the compiler takes no precompiled header)', ('mmcv',), COMPILER),
    # xtcocotools' wheel was built against numpy 1 and crashes on numpy 2: compile it here.
    Step('xtcocotools', 'xtcocotools, compiled against numpy 2', ('xtcocotools',), COMPILER,
         ('--no-binary', 'xtcocotools', '--no-build-isolation', '--no-deps')),
    # mmpose asks for chumpy, which no longer builds and which nothing imports.
    Step('hosts', 'mmpose, mmdetection, mmsegmentation, mmpretrain',
         ('mmpose', 'mmdet', 'mmsegmentation', 'mmpretrain'), NETWORK,
         ('--no-deps', '--no-build-isolation')),
    Step('engines', 'engines that hrnet_mm.deploy can use',
         ('openvino', 'onnx', 'onnxruntime', 'nncf'), NETWORK),
    Step('checks', 'test and development tools',
         ('pytest', 'pytest-xdist', 'hypothesis', 'ruff', 'timm', 'tensorboard', 'pre-commit'),
         NETWORK),
    # Of mim's requirements opendatalab is left out: it fetches data sets for `mim download`, and
    # would itself replace setuptools, requests and rich by versions of years ago.
    Step('mim', 'mim, with which the tests install and run the package',
         ('openmim', 'pandas', 'tabulate', 'colorama', 'requests', 'urllib3', 'certifi', 'idna',
          'charset-normalizer'), NETWORK, ('--no-deps',)),
    Step('hrnet_mm', 'hrnet_mm itself, editable', (), NETWORK,
         ('--no-deps', '--no-build-isolation', '--editable', str(ROOT))),
)  # fmt: skip

# What each stack installs in place of the packages that the steps name. The maintained fork has the
# same modules under other names of packages, so that each needs an environment of its own.
STACKS: dict[str, dict[str, tuple[str, ...]]] = {
    'openmmlab': {},
    'onedl': {
        'mmengine': ('onedl-mmengine',),
        'mmcv': ('onedl-mmcv',),
        # Its datasets import imaug, which asks for an older opencv, and with it these.
        'mmdet': ('onedl-mmdetection', 'imaug', 'scikit-image', 'imageio', 'lazy-loader',
                  'tifffile'),
        'mmsegmentation': ('onedl-mmsegmentation',),
    },
}  # fmt: skip


def main() -> int:
    parser = ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('folder', type=Path, help='the virtual environment, made where it is not')
    parser.add_argument('--stack', choices=STACKS, default='openmmlab', help='whose packages')
    args = parser.parse_args()
    folder, steps = args.folder.resolve(), steps_of(args.stack)
    if sys.version_info < (3, 10):
        print(f'Python 3.10 or newer is needed (3.11 is tested); this is {sys.version.split()[0]}.')
        return 1
    python = folder / 'bin' / 'python'
    if not python.exists():
        print(f'creating {folder}', flush=True)
        venv.create(folder, with_pip=True)
    for number, step in enumerate(steps, start=1):
        label = f'[{number}/{len(steps)}] {step.title}'
        if not install(step, label, python, folder / 'setup'):
            return 1
    return 0


def steps_of(stack: str) -> tuple[Step, ...]:
    """The steps with the packages of one stack."""
    others = STACKS[stack]
    return tuple(
        replace(step, packages=tuple(name for p in step.packages for name in others.get(p, (p,))))
        for step in STEPS
    )


def install(step: Step, label: str, python: Path, state: Path) -> bool:
    """Carry out one step unless its stamp is there; False, with the reason printed, if it fails."""
    state.mkdir(exist_ok=True)
    stamp, log = state / f'{step.name}.done', state / f'{step.name}.log'
    fingerprint = fingerprint_of(step)
    if stamp.exists() and stamp.read_text() == fingerprint:
        return True
    print(f'{label} ...', flush=True)
    started = time.monotonic()
    with log.open('w') as output:
        for command in commands(step, python, state):
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


def commands(step: Step, python: Path, state: Path) -> list[list[str]]:
    pip = [str(python), '-m', 'pip', 'install', '--constraint', str(CONSTRAINTS)]
    if step.name != 'mmcv':
        index = os.environ.get('TORCH_INDEX') if step.name == 'torch' else None
        return [[*pip, *(['--extra-index-url', index] if index else []), *step.options,
                 *step.packages]]  # fmt: skip
    (package,) = step.packages
    wheels = str(state / 'mmcv')
    build = [str(python), str(HERE / 'mmcv_wheel.py'), package, pinned_version(package), wheels]
    return [build, [*pip, '--no-deps', '--no-index', '--find-links', wheels, package]]


def pinned_version(package: str) -> str:
    found = re.search(rf'^{re.escape(package)}==(\S+)', CONSTRAINTS.read_text(), re.M)
    if not found:
        raise SystemExit(f'{CONSTRAINTS} has no line "{package}==VERSION".')
    return found[1]


def fingerprint_of(step: Step) -> str:
    """What the step's result depends on: its packages' pins and, for compiled code, torch's."""
    names = {*step.packages, *(('torch',) if step.name == 'mmcv' else ())}
    lines = CONSTRAINTS.read_text().splitlines()
    pins = sorted(line for line in lines if re.split(r'[=<>!]', line)[0] in names)
    facts = repr((sys.version_info[:2], step.options, sorted(names), pins))
    return hashlib.sha256(facts.encode()).hexdigest()


if __name__ == '__main__':
    sys.exit(main())
