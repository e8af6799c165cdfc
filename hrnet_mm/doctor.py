"""Say what works in this environment, and how to mend what does not: ``python -m hrnet_mm.doctor``.

Exits with 1 if something that the package itself needs (torch, mmengine, mmcv's operators) fails.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from io import StringIO

import torch

# What pip calls the modules that OpenMMLab's maintained fork has too.
ORIGINALS = dict(mmengine='mmengine', mmcv='mmcv', mmdet='mmdet', mmseg='mmsegmentation')
FORKS = dict(
    mmengine='onedl-mmengine',
    mmcv='onedl-mmcv',
    mmdet='onedl-mmdetection',
    mmseg='onedl-mmsegmentation',
)


@dataclass(frozen=True)
class Check:
    """``run`` returns what was found or raises; ``remedy`` is what to do if it raises."""

    name: str
    run: Callable[[], str]
    remedy: str
    required: bool = False


def main() -> int:
    healthy = True
    for check in CHECKS:
        try:
            with redirect_stdout(StringIO()):  # the fork's hosts print when they are imported
                found = check.run()
        except ModuleNotFoundError as error:
            healthy &= not check.required
            absent = error.name.split('.')[0]
            remedy = check.remedy if absent in check.remedy else f'pip install {absent}.'
            print(f'{"MISSING":8}{check.name:18}no module {absent}. {remedy}')
        except Exception as error:
            healthy &= not check.required
            print(f'{"FAILS":8}{check.name:18}{first_line(error)}. {check.remedy}')
        else:
            print(f'{"ok":8}{check.name:18}{found}')
    return 0 if healthy else 1


def first_line(error: Exception) -> str:
    return f'{type(error).__name__}: {(str(error).strip() or "no message").splitlines()[0]}'


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
        both = {ORIGINALS.get(module), FORKS.get(module)} & distributions().get(module, set())
        if len(both) > 1:
            raise RuntimeError(
                f'{" and ".join(sorted(both))} lie over each other; uninstall both and install one'
            )
        return f'{found} ({FORKS[module]})' if FORKS.get(module) in both else found

    return run


def numpy_version() -> str:
    import numpy

    if tuple(map(int, numpy.__version__.split('.')[:2])) >= (2, 4):
        raise RuntimeError(f"numpy {numpy.__version__} breaks mmpose's drawing of keypoints")
    return numpy.__version__


def compatibility_fixes() -> str:
    importlib.import_module('hrnet_mm.compat')
    if find_spec('torchvision') is None:
        raise ModuleNotFoundError(name='torchvision')
    return f'torchvision {importlib.import_module("torchvision").__version__} imports'


def mmcv_operators() -> str:
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [20.0, 20.0, 29.0, 29.0]])
    kept, _ = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5)
    if len(kept) != 2:
        raise RuntimeError(f'nms kept {len(kept)} of 3 boxes instead of 2')
    return 'compiled, nms works'


def xtcocotools_version() -> str:
    importlib.import_module('xtcocotools._mask')
    return version('xtcocotools')


def gpu() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    built = f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU only'
    return f'none (torch is built for {built})'


def host(module: str) -> Callable[[], str]:
    def run() -> str:
        found = version_of(module)()
        registry = importlib.import_module(f'{module}.registry').MODELS
        for part in ('models', 'datasets'):
            importlib.import_module(f'{module}.{part}')
        registry.build(dict(type='hrnet_mm.HRNet', arch='w18_small'))
        return f'{found}, builds hrnet_mm.HRNet'

    return run


NAMES = pip_names()
REINSTALL = 'Run `make env`, or see docs/install.md.'
MMCV_VERSION = 'mmcv==2.1.0' if NAMES is ORIGINALS else "'onedl-mmcv<2.4'"
MMCV_REMEDY = (
    'Build it from source against the installed torch: MMCV_WITH_OPS=1 pip install '
    f'--no-build-isolation --no-binary {NAMES["mmcv"]} {MMCV_VERSION} (with setuptools<81).'
)
MMDET_REMEDY = (
    f'pip install --no-deps {NAMES["mmdet"]} pycocotools scipy shapely terminaltables tqdm.'
)
if NAMES is FORKS:
    imgaug = 'imaug scikit-image imageio lazy-loader tifffile'
    MMDET_REMEDY += f' For its module imgaug: pip install --no-deps {imgaug}.'
CHECKS = (
    Check('python', python_version, REINSTALL, required=True),
    Check('torch', version_of('torch'), REINSTALL, required=True),
    Check('numpy', numpy_version, "Install 'numpy<2.4'.", required=True),
    Check(
        'mmengine',
        version_of('mmengine'),
        f"Install '{NAMES['mmengine']}' and 'setuptools<81'.",
        required=True,
    ),
    Check('hrnet_mm', version_of('hrnet_mm'), 'Run `pip install -e .` here.', required=True),
    Check('compat', compatibility_fixes, 'Install the torchvision that fits this torch.'),
    Check('mmcv', version_of('mmcv'), MMCV_REMEDY, required=True),
    Check('mmcv operators', mmcv_operators, MMCV_REMEDY, required=True),
    Check('GPU', gpu, REINSTALL),
    Check('mmpose', host('mmpose'), 'pip install --no-deps mmpose json-tricks munkres.'),
    Check(
        'xtcocotools',
        xtcocotools_version,
        'pip install --no-binary xtcocotools --no-build-isolation xtcocotools (needs Cython).',
    ),
    Check('mmdet', host('mmdet'), MMDET_REMEDY),
    Check('mmseg', host('mmseg'), f'pip install {NAMES["mmseg"]} ftfy regex.'),
    Check('mmpretrain', host('mmpretrain'), 'pip install mmpretrain.'),
)


if __name__ == '__main__':
    sys.exit(main())
