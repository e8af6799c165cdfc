"""The package built as for its users, and environments in which it is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.people.synthetic_people import make_synthetic_people
from tests.helpers import ROOT

SOURCES = (
    *('hrnet_mm', 'hrnet_mm_startup.py', 'hrnet_mm_startup.pth', 'configs', 'tools'),
    *('model-index.yml', 'dataset-index.yml', 'setup.py', 'setup.cfg', 'pyproject.toml'),
    *('README.md', 'LICENSE', 'NOTICE'),
)
NOT_SOURCES = shutil.ignore_patterns('__pycache__', '.mim')
PIP = ('-m', 'pip', '--quiet', '--disable-pip-version-check')


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has all that this one has, but only its own hrnet_mm."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> 'Environment':
        venv.create(folder, symlinks=True)
        shared = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
        (cls(folder).site_packages / 'shared.pth').write_text('\n'.join(shared))
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


def copy_sources(folder: Path) -> Path:
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NOT_SOURCES)
        else:
            shutil.copy2(ROOT / name, folder)
    return folder


@pytest.fixture(scope='session')
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = copy_sources(tmp_path_factory.mktemp('sdist') / 'source')
    script = 'from setuptools.build_meta import build_sdist; build_sdist("dist")'
    done = subprocess.run(
        [sys.executable, '-c', script], cwd=source, capture_output=True, text=True
    )
    succeed(done)
    return next((source / 'dist').iterdir())


@pytest.fixture(scope='session')
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('wheel')
    offline = ('--no-deps', '--no-index', '--no-build-isolation')
    command = [sys.executable, *PIP, 'wheel', *offline, '--wheel-dir', folder, sdist]
    succeed(subprocess.run(list(map(str, command)), capture_output=True, text=True))
    return next(folder.iterdir())


@pytest.fixture(scope='session')
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp('installed'))
    succeed(environment.run(*PIP, 'install', '--no-deps', '--no-index', wheel))
    return environment


@pytest.fixture(scope='session')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp('editable') / 'source')


@pytest.fixture(scope='session')
def editable(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp('installed_editable'))
    offline = ('--no-deps', '--no-index', '--no-build-isolation')
    succeed(environment.run(*PIP, 'install', *offline, '--editable', source))
    return environment


@pytest.fixture(scope='session')
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to run tools in, with the data where the demo config looks for them."""
    folder = tmp_path_factory.mktemp('work place')
    people = folder / 'data' / 'synthetic_people'
    make_synthetic_people(people, 8, 4, image_size=(160, 128), progress=None)
    return folder
