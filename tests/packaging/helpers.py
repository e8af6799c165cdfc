"""Copies of the sources, and environments in which the package is installed."""

import os
import shutil
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import ROOT

SOURCES = (
    *('hrnet_mm', 'hrnet_mm_startup.py', 'hrnet_mm_startup.pth', 'configs', 'tools'),
    *('model-index.yml', 'dataset-index.yml', 'setup.py', 'setup.cfg', 'pyproject.toml'),
    *('README.md', 'LICENSE', 'NOTICE'),
)
PIP = ('-m', 'pip', '--quiet', '--disable-pip-version-check')
NOT_SOURCES = shutil.ignore_patterns('__pycache__', '.mim')


def copy_sources(folder: Path) -> Path:
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NOT_SOURCES)
        else:
            shutil.copy2(ROOT / name, folder)
    return folder


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has all that this one has, but only its own hrnet_mm."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> 'Environment':
        venv.create(folder, symlinks=True)
        shared = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
        (cls(folder).site_packages / 'shared.pth').write_text('\n'.join(shared))
        # Python 3.12 and newer have distutils, which mmengine imports, from setuptools by this.
        for file in Path(sysconfig.get_path('purelib')).glob('distutils-precedence.pth'):
            shutil.copy2(file, cls(folder).site_packages / 'shared_distutils.pth')
        return cls(folder)

    @property
    def python(self) -> Path:
        return self.folder / 'bin' / 'python'

    @property
    def site_packages(self) -> Path:
        return next(self.folder.glob('lib/python*/site-packages'))

    def run(
        self, *arguments: object, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess:
        """Run ``python ARGUMENTS`` as in a shell where this environment is active."""
        path = f'{self.folder / "bin"}{os.pathsep}{os.environ["PATH"]}'
        quiet = {'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore', 'COLUMNS': '200'}
        env = {**os.environ, **quiet, 'PATH': path, **variables}
        if 'PYTHONPATH' not in variables:
            env.pop('PYTHONPATH', None)
        return subprocess.run(
            [str(self.python), *map(str, arguments)],
            cwd=cwd or self.folder,
            env=env,
            capture_output=True,
            text=True,
        )


def succeed(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
