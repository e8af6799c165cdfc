import functools
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import config, utils
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader

import hrnet_mm.compat  # noqa: F401  (before a test imports a host)
from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.kernels import compiler, library
from hrnet_mm.kernels.cpu import instructions
from tests.helpers import FORMATTER, picture
from tests.models_of_hosts import TinyModel, make_tiny_model

# Tools that are not in a wheel, and their modules.
OF_THE_CHECKOUT = dict(
    benchmark='benchmark.command',
    complexity='papers.command',
    demo='demo.demo',
    make_dataset='demo.make_dataset',
)
# For every config with a base like 'mmdet::...' MMEngine reads all metafiles of the host again,
# which takes ten times as long as the config.
utils.load = functools.cache(utils.load)
config.is_installed = functools.cache(config.is_installed)

NATIVE = 'native'  # all that the CPU has, avx512_bf16 included


@pytest.fixture(autouse=True)
def _same_start_for_every_test() -> Iterator[None]:
    """One seed, and nothing that the test before left behind: scope, readers, threads."""
    torch.manual_seed(0)
    threads, readers = torch.get_num_threads(), CheckpointLoader._schemes
    CheckpointLoader._schemes = readers.copy()
    yield
    torch.set_num_threads(threads)
    CheckpointLoader._schemes = readers
    DefaultScope._instance_dict.clear()


@pytest.fixture
def unformatted_configs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formatting the text of a config is most of the time of a very small training."""
    monkeypatch.setattr(FORMATTER, 'FormatCode', lambda text, **style: (text, True))


@pytest.fixture(scope='session')
def load_tool() -> Callable[[str], ModuleType]:
    """The module of a tool, by its name; its ``main`` takes the arguments."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(OF_THE_CHECKOUT.get(name, f'hrnet_mm.commands.{name}'))

    return load


@pytest.fixture(scope='session')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six synthetic people to train on and three to evaluate on, as COCO keypoints."""
    folder = tmp_path_factory.mktemp('data') / 'people'
    return make_synthetic_people(folder, 6, 3, image_size=(160, 128), progress=None)


@pytest.fixture(scope='session')
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TinyModel]:
    """A model of ``models_of_hosts.TINY`` by its name."""
    folder = tmp_path_factory.mktemp('tiny models')
    return functools.cache(lambda name: make_tiny_model(name, folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of three sizes and formats, one in a sub-folder with a difficult name."""
    folder = tmp_path / 'photos'
    (folder / 'süb folder').mkdir(parents=True)
    cv2.imwrite(str(folder / 'a.jpg'), picture(96, 128, seed=0))
    cv2.imwrite(str(folder / 'b.bmp'), picture(64, 64, seed=1))
    cv2.imwrite(str(folder / 'süb folder' / 'c [1].PNG'), picture(80, 60, seed=2))
    (folder / 'notes.txt').write_text('no image')
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Five frames of 64 x 48 at 12.5 frames a second."""
    path = tmp_path / 'my clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 12.5, (64, 48))
    for shade in np.linspace(40, 200, 5):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    return path


@pytest.fixture(params=(NATIVE, 'avx512f', 'avx2', 'sse2'), scope='module')
def every_instruction_set(request: pytest.FixtureRequest) -> Iterator[None]:
    """The tests of a module run once with the kernels for each instruction set of this CPU."""
    if library.find_compiler() is None:
        pytest.skip('needs a C++ compiler')
    if request.param not in (NATIVE, *instructions()):
        pytest.skip(f'this CPU has no {request.param}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(compiler.VARIABLE, '' if request.param == NATIVE else request.param)
        library.load_library.cache_clear()
        yield
    library.load_library.cache_clear()
