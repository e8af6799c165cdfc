"""The package built as for its users, and environments in which it is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.people.synthetic_people import make_synthetic_people
from tests.packaging.helpers import PIP, Environment, copy_sources, succeed


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
    """The wheel for every platform."""
    return build_wheel(sdist, tmp_path_factory.mktemp('wheel'), HRNET_MM_PURE_WHEEL='1')


@pytest.fixture(scope='session')
def wheel_with_kernels(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel for this platform; compiling takes 10 seconds on 2 cores."""
    return build_wheel(sdist, tmp_path_factory.mktemp('wheel_with_kernels'))


def build_wheel(sdist: Path, folder: Path, **variables: str) -> Path:
    offline = ('--no-deps', '--no-index', '--no-build-isolation')
    command = [sys.executable, *PIP, 'wheel', *offline, '--wheel-dir', folder, sdist]
    env = os.environ | variables
    succeed(subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True))
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
