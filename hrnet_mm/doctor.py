"""Say what works in this environment, and how to mend what does not: ``python -m hrnet_mm.doctor``.

Exits with 1 if something that the package itself needs (torch, mmengine, mmcv's operators) fails.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

import torch


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


def version_of(module: str) -> Callable[[], str]:
    def run() -> str:
        return importlib.import_module(module).__version__

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
        found = importlib.import_module(module).__version__
        registry = importlib.import_module(f'{module}.registry').MODELS
        importlib.import_module(f'{module}.models')
        registry.build(dict(type='hrnet_mm.HRNet', arch='w18_small'))
        return f'{found}, builds hrnet_mm.HRNet'

    return run


REINSTALL = 'Run `make env`, or see docs/install.md.'
MMCV_REMEDY = (
    'Build it from source against the installed torch: MMCV_WITH_OPS=1 pip install '
    '--no-build-isolation --no-binary mmcv mmcv==2.1.0 (with setuptools<81).'
)
CHECKS = (
    Check('python', python_version, REINSTALL, required=True),
    Check('torch', version_of('torch'), REINSTALL, required=True),
    Check('numpy', numpy_version, "Install 'numpy<2.4'.", required=True),
    Check('mmengine', version_of('mmengine'), "Install 'mmengine' and 'setuptools<81'.", True),
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
    Check('mmdet', host('mmdet'), 'pip install mmdet.'),
    Check('mmseg', host('mmseg'), 'pip install mmsegmentation ftfy regex.'),
    Check('mmpretrain', host('mmpretrain'), 'pip install mmpretrain.'),
)


if __name__ == '__main__':
    sys.exit(main())
