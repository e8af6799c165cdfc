"""Say what works in this environment, and how to mend what does not.

Compiled functions are called, not only imported: a library may import and fail at its first call.
Exits with 1 if something that the package itself needs (torch, mmengine, mmcv's operators
or what stands in for them) fails, or a host of the tasks that are named.
"""

from __future__ import annotations

import importlib
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from io import BytesIO, StringIO
from pathlib import Path

from hrnet_mm.install.packages import BOUNDS, FORK, MMCVS, OPENCVS, TASKS, read_pins
from hrnet_mm.standins import put_in_place, serving

# What pip calls the modules that OpenMMLab's maintained fork has too.
ORIGINALS = dict(mmengine='mmengine', mmcv='mmcv', mmdet='mmdet', mmseg='mmsegmentation')
FORKS = {module: FORK[name][0] for module, name in ORIGINALS.items()}


@dataclass(frozen=True)
class Check:
    """``run`` returns what was found or raises; ``remedy`` is what to do if it raises."""

    name: str
    run: Callable[[], str]
    remedy: str
    required: bool = False
    tasks: frozenset[str] = frozenset(TASKS)  # for which it is looked at


class Unfit(Exception):
    """A package that works, but not beside another one; the remedy is about that one."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(
        'hrnet doctor',
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    text = f'look at the hosts of these tasks only: {", ".join(TASKS)} (default: at all hosts)'
    parser.add_argument('tasks', nargs='*', metavar='TASK', help=text)
    tasks = parser.parse_args(argv).tasks
    if unknown := [task for task in tasks if task not in TASKS]:  # choices= refuses none at all
        parser.error(f'there is no task {unknown[0]!r}; it must be one of {", ".join(TASKS)}')
    put_in_place()
    healthy = True
    faults: set[str] = set()
    for check in CHECKS:
        if tasks and check.tasks.isdisjoint(tasks):
            continue
        try:
            with redirect_stdout(StringIO()):  # the fork's hosts print when they are imported
                found = check.run()
        except Exception as error:
            healthy &= not (check.required or tasks)
            status = 'MISSING' if isinstance(error, ModuleNotFoundError) else 'FAILS'
            fault = first_line(error)
            known = 'The remedy stands above.' if fault in faults else remedy_for(error, check)
            print(f'{status:8}{check.name:18}{fault}. {known}')
            faults.add(fault)
        else:
            print(f'{"ok":8}{check.name:18}{found}')
    return 0 if healthy else 1


def remedy_for(error: Exception, check: Check) -> str:
    """What to do: first about the module that is absent, ``'mmcv._ext'``, or does not load."""
    remedies = {other.name: other.remedy for other in CHECKS} | OTHER_REMEDIES
    if isinstance(error, Unfit):
        return error.remedy
    if 'libGL' in str(error):  # of cv2, whoever imports it
        return remedies['cv2']
    if isinstance(error, ModuleNotFoundError):
        package = error.name.partition('.')[0]
        return remedies.get(package, f'pip install {package}.')
    if isinstance(error, ImportError) and error.path:  # .../site-packages/xtcocotools/_mask.so
        packages = [folder for folder in Path(error.path).parts if folder in remedies]
        return remedies[packages[-1]] if packages else check.remedy
    return check.remedy


def first_line(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f'no module {error.name}'
    line = (str(error).strip() or 'no message').splitlines()[0].rstrip('.')
    return line if isinstance(error, Unfit) else f'{type(error).__name__}: {line}'


def python_version() -> str:
    return f'{sys.version.split()[0]} at {sys.executable}'


@cache
def distributions() -> dict[str, set[str]]:
    """For each module that can be imported, the names under which pip knows it."""
    return {module: set(names) for module, names in packages_distributions().items()}


def pip_names() -> dict[str, str]:
    """The names of the stack that is installed; the original's if there is none."""
    has_fork = any(name in distributions().get(module, ()) for module, name in FORKS.items())
    return FORKS if has_fork else ORIGINALS


def version_of(module: str) -> Callable[[], str]:
    def run() -> str:
        found = importlib.import_module(module).__version__
        rivals = {*MMCVS} if module == 'mmcv' else {ORIGINALS.get(module), FORKS.get(module)}
        both = rivals & distributions().get(module, set())
        if len(both) > 1:
            names = sorted(both)
            raise Unfit(
                f'{" and ".join(names)} lie over each other',
                f'pip uninstall {" ".join(names)}, then install one of them.',
            )
        return f'{found} ({FORKS[module]})' if FORKS.get(module) in both else found

    return run


def compatibility_fixes() -> str:
    importlib.import_module('hrnet_mm.fixes')
    if find_spec('torchvision') is None:
        raise ModuleNotFoundError(name='torchvision')
    return f'torchvision {importlib.import_module("torchvision").__version__} imports'


def inherited_configs() -> str:
    """As a config's ``_base_ = 'mmpose::...'`` does, for which mmengine needs pkg_resources."""
    from mmengine.utils import get_installed_path

    get_installed_path('hrnet_mm')
    stands_in = ' (hrnet_mm stands in for pkg_resources)' if 'pkg_resources' in serving() else ''
    return f'bases are found in packages{stands_in}'


def checkpoints() -> str:
    """Write and read what mmengine's Runner saves, with the log history in it."""
    importlib.import_module('hrnet_mm.fixes')
    import torch
    from mmengine.logging import HistoryBuffer

    from hrnet_mm.base.safe_load import safe_load

    file = BytesIO()
    history = dict(loss=HistoryBuffer([0.5, 0.25], [1, 1]))
    torch.save(dict(state_dict=dict(weight=torch.ones(2)), message_hub=history), file)
    file.seek(0)
    loaded = safe_load(file)
    expect('the mean of a log history', loaded['message_hub']['loss'].mean(), 0.375)
    return 'written, and read with weights_only=True'


def mmcv_operators() -> str:
    import torch
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [20.0, 20.0, 29.0, 29.0]])
    kept, _ = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5)
    expect('boxes kept by nms', len(kept), 2)
    return f'{"hrnet_mm stands in" if "mmcv._ext" in serving() else "compiled"}, nms works'


def opencv() -> str:
    if len(OPENCV_BUILDS) > 1:
        raise Unfit(f'{" and ".join(OPENCV_BUILDS)} lie over each other', OPENCV_REMEDY)
    import cv2
    import numpy

    written, data = cv2.imencode('.png', numpy.full((4, 6, 3), 7, numpy.uint8))
    image = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (3, 2))
    expect('pixels of an image', image.ravel().tolist() if written else None, [7] * 18)
    return f'{cv2.__version__}, writes, reads and resizes'


def masks_of(module: str) -> Callable[[], str]:
    """Of pycocotools or xtcocotools: draw a square of 4 x 4 pixels, encoded and decoded."""

    def run() -> str:
        importlib.import_module('hrnet_mm.fixes')
        mask = importlib.import_module(f'{module}.mask')
        square = mask.frPyObjects([[2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]], 10, 10)
        expect('pixels of a mask', int(mask.decode(square).sum()), 16)
        stands_in = any(name.startswith(module) for name in serving())
        found = 'pycocotools stands in' if stands_in else version(module)
        return f'{found}, decodes masks'

    return run


def expect(what: str, found: object, right: object) -> None:
    if found != right:
        raise RuntimeError(f'{what}: {found} in place of {right}')


def gpu() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    built = f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU only'
    return f'none (torch is built for {built})'


def installed_torch() -> str:
    """Its release, ``'2.13.0'``; that of the tested environment if there is none."""
    try:
        return version('torch').partition('+')[0]
    except PackageNotFoundError:
        return PINS['torch']


def host(module: str) -> Callable[[], str]:
    def run() -> str:
        importlib.import_module('hrnet_mm.fixes')
        try:
            found = version_of(module)()
            for part in ('models', 'datasets'):
                importlib.import_module(f'{module}.{part}')
        except AssertionError as error:  # mmdet and mmseg refuse mmcv 2.2, and mmpose needs mmdet
            if 'mmcv' not in str(error).lower():
                raise
            raise Unfit(first_line(error), MMCV_REMEDY) from error
        registry = importlib.import_module(f'{module}.registry').MODELS
        registry.build(dict(type='hrnet_mm.HRNet', arch='w18_small'))
        return f'{found}, builds hrnet_mm.HRNet'

    return run


def install(task: str) -> str:
    return f'python -m hrnet_mm.install {task}.'


def host_check(module: str, task: str) -> Check:
    """A missing host is installed with what it imports; one that fails is installed anew."""
    missing, name = find_spec(module) is None, NAMES.get(module, module)
    remedy = install(task) if missing else f'{ANEW} {name}; {install(task)}'
    tasks = frozenset(
        task for task, hosts in TASKS.items() if ORIGINALS.get(module, module) in hosts
    )
    return Check(module, host(module), remedy, tasks=tasks)


def mmcv_remedy() -> str:
    """How to build mmcv with compiled operators, which serve where they load."""
    if find_spec('mmcv') is None:
        return install('det')
    name = NAMES['mmcv']
    remedy = (
        f'Build it from source against the installed torch: MMCV_WITH_OPS=1 {ANEW} '
        f'--no-build-isolation --no-binary {name} {name}=={PINS[name]} '
        "(needs a C++ compiler, 'setuptools<81', ninja and psutil)."
    )
    if 'mmcv-lite' in distributions().get('mmcv', ()):
        return f'pip uninstall mmcv-lite, whose files would lie under it. {remedy}'
    return remedy


NAMES = pip_names()
PINS = read_pins()
# pip leaves alone what is "already satisfied", and takes the wheel that it built the last time.
ANEW = 'pip install --force-reinstall --no-deps --no-cache-dir'
REINSTALL = 'Run `make env`, or see docs/install.md.'
MMCV_REMEDY = mmcv_remedy()
MMENGINE_REMEDY = (
    install('pose') if find_spec('mmengine') is None else f'{ANEW} {NAMES["mmengine"]}.'
)
OPENCV_BUILDS = sorted({*OPENCVS} & distributions().get('cv2', set()))
# The build that needs no library of a screen, such as libGL.
OPENCV_REMEDY = (
    f'pip uninstall {" ".join(OPENCV_BUILDS) or "opencv-python"}; pip install {OPENCVS[0]}.'
)
TORCHVISION_REMEDY = f'pip install torch=={installed_torch()} torchvision.'  # made for this torch
# Of modules that no check is named after: how pip calls them.
OTHER_REMEDIES = {
    'PIL': 'pip install pillow.',
    'pkg_resources': f"pip install 'setuptools{BOUNDS['setuptools']}'.",
    'sklearn': 'pip install scikit-learn.',
    'torchvision': TORCHVISION_REMEDY,
    'yaml': 'pip install PyYAML.',
}
COCO_TASKS = frozenset({'pose', 'det'})
CHECKS = (
    Check('python', python_version, REINSTALL, required=True),
    Check('torch', version_of('torch'), REINSTALL, required=True),
    Check('numpy', version_of('numpy'), f'{ANEW} numpy.', required=True),
    Check('mmengine', version_of('mmengine'), MMENGINE_REMEDY, required=True),
    Check('hrnet_mm', version_of('hrnet_mm'), 'Run `pip install -e .` here.', required=True),
    Check('compat', compatibility_fixes, TORCHVISION_REMEDY),
    Check('configs', inherited_configs, OTHER_REMEDIES['pkg_resources'], required=True),
    Check('checkpoints', checkpoints, f'{ANEW} {NAMES["mmengine"]}.', required=True),
    Check('mmcv', version_of('mmcv'), MMCV_REMEDY, required=True),
    Check('mmcv operators', mmcv_operators, MMCV_REMEDY, required=True),
    Check('GPU', gpu, REINSTALL),
    Check('cv2', opencv, OPENCV_REMEDY),
    Check('pycocotools', masks_of('pycocotools'), f'{ANEW} pycocotools.', tasks=COCO_TASKS),
    Check(
        'xtcocotools',
        masks_of('xtcocotools'),
        f'{ANEW} --no-binary xtcocotools --no-build-isolation xtcocotools '
        '(needs Cython and a C++ compiler).',
        tasks=COCO_TASKS,
    ),
    host_check('mmdet', 'det'),
    host_check('mmpose', 'pose'),
    host_check('mmseg', 'seg'),
    host_check('mmpretrain', 'cls'),
)


if __name__ == '__main__':
    sys.exit(main())
