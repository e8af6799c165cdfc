"""What each task needs of pip, in one table: of ``python -m hrnet_mm.install`` and of ``make env``.

OpenMMLab's packages are installed without the requirements that they name, as some of those do
harm: mmpose asks for chumpy, which no longer builds and which nothing imports, mmengine for
opencv-python over whichever build of OpenCV there is. What they import stands here instead.

This module imports the standard library only: ``make env`` reads it with a bare Python.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

PINS = Path(__file__).with_name('pins')

TASKS = {
    'pose': ('mmdet', 'mmpose'),  # mmpose imports mmdet, whatever the model
    'seg': ('mmsegmentation',),
    'det': ('mmdet',),
    'cls': ('mmpretrain',),
}
FOUNDATION = ('mmengine', 'mmcv-lite')
# What each of OpenMMLab's packages imports, by the names of pip.
IMPORTS = {
    'mmengine': ('addict', 'matplotlib', 'numpy', 'opencv-python-headless', 'PyYAML', 'rich',
                 'setuptools', 'termcolor', 'torchvision', 'yapf'),
    'mmcv-lite': ('packaging', 'pillow'),
    'mmdet': ('pycocotools', 'scipy', 'shapely', 'six', 'terminaltables', 'tqdm'),
    'mmpose': ('json-tricks', 'munkres', 'scipy'),
    'mmsegmentation': ('ftfy', 'prettytable', 'regex', 'scipy'),
    'mmpretrain': ('einops', 'importlib-metadata', 'mat4py', 'modelindex', 'tqdm'),
    'imaug': ('imageio', 'scikit-image', 'scipy', 'shapely', 'six'),
}  # fmt: skip
# The versions that work, where the newest does not.
BOUNDS = {
    'importlib-metadata': '<8',
    # mmengine imports pkg_resources, which 81 removed; in the hosts' own tools nothing stands in.
    'setuptools': '>=77.0.3,<81',
}
# The maintained fork: its packages in the places of the originals. It has no mmcv-lite, so that
# of the original serves. Its datasets import imaug, which asks for an older OpenCV.
FORK = {
    'mmengine': ('onedl-mmengine',),
    'mmcv': ('onedl-mmcv',),
    'mmdet': ('onedl-mmdetection', 'imaug'),
    'mmsegmentation': ('onedl-mmsegmentation',),
}
MMCVS = ('mmcv', 'mmcv-full', 'mmcv-lite', 'onedl-mmcv')  # which install one module
# The builds of OpenCV. By default the one that runs on a machine without a screen's libraries.
OPENCVS = ('opencv-python-headless', 'opencv-python', 'opencv-contrib-python-headless',
           'opencv-contrib-python')  # fmt: skip


def hosts_of(tasks: Iterable[str]) -> list[str]:
    """OpenMMLab's packages for some tasks: mmengine, mmcv-lite, and then the hosts."""
    return [*dict.fromkeys([*FOUNDATION, *(host for task in tasks for host in TASKS[task])])]


def in_stack(packages: Iterable[str], fork: bool) -> list[str]:
    """Some packages, or those of the maintained fork in their places."""
    return [name for package in packages for name in (FORK if fork else {}).get(package, [package])]


def imports_of(hosts: Iterable[str], fork: bool = False) -> list[str]:
    """What some of OpenMMLab's packages import, each with its bounds: ``'setuptools<81'``."""
    names = {name for host in hosts for name in IMPORTS[host]}
    if fork and 'mmdet' in hosts:
        names |= {*IMPORTS['imaug']}
    return [name + BOUNDS.get(name, '') for name in sorted(names, key=str.lower)]


def bare_name(requirement: str) -> str:
    """The package of a requirement: ``'setuptools'`` of ``'setuptools<81'``."""
    return re.split('[=<>]', requirement)[0]


def read_pins(name: str = 'pinned') -> dict[str, str]:
    """The version of every package in a file of ``pins/``, by the names of pip."""
    text = (PINS / f'{name}.txt').read_text()
    return dict(re.findall(r'^([\w.-]+)==(\S+)$', text, re.M))


def pip_commands(tasks: Collection[str], installed: Mapping[str, str]) -> list[list[str]]:
    """What to install for some tasks: the arguments of pip, one list for each call of it.

    PyTorch, mmcv and OpenCV stay as they are where they are installed.

    Args:
        tasks: keys of ``TASKS``.
        installed: the versions of what is installed, by pip's names in lower case.

    Raises:
        ValueError: packages are installed beside which the hosts do not work.
    """
    pins = read_pins()
    forks = [name for name, *_ in FORK.values() if name in installed]
    if forks:
        check_alone([*(name for name in FORK if name != 'mmcv'), forks[0]], installed)
    hosts = hosts_of(tasks)
    mmcv = check_mmcv(installed)
    libraries = imports_of(hosts, bool(forks))
    if any(name in installed for name in OPENCVS):
        libraries.remove(OPENCVS[0])
    if installed.get('torch', '').startswith(('2.0.', '2.1.', '2.2.')):
        libraries[libraries.index('numpy')] = 'numpy<2'  # built against numpy 1
    # Named, so that pip takes the torchvision that is made for this torch.
    torch = installed.get('torch', pins['torch']).partition('+')[0]
    packages = in_stack([host for host in hosts if host != 'mmcv-lite' or not mmcv], bool(forks))
    return [
        ['install', f'torch=={torch}', *libraries],
        ['install', '--no-deps', *(f'{name}=={pins[name]}' for name in packages)],
    ]


def check_mmcv(installed: Mapping[str, str]) -> bool:
    """Whether an mmcv is installed, which the hosts then accept.

    Raises:
        ValueError: the hosts refuse it, or another lies over it.
    """
    found = check_alone(MMCVS, installed)
    if not found:
        return False
    version = installed[found[0]]
    if found != ['onedl-mmcv'] and not version.startswith(('2.0.', '2.1.')):
        raise ValueError(
            f'{found[0]} {version} is installed; mmdet and mmseg take 2.0 and 2.1 only: '
            f'pip uninstall {found[0]}, then run this again'
        )
    return True


def check_alone(rivals: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """Those of some packages that are installed, of which only one may be.

    Raises:
        ValueError: there are more.
    """
    found = [name for name in rivals if name in installed]
    if len(found) > 1:
        raise ValueError(
            f'{" and ".join(found)} do not go together: pip uninstall {" ".join(found)}, then '
            'run this again'
        )
    return found
