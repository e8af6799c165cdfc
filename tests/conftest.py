import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader

import hrnet_mm.compat  # noqa: F401  (the fixes run before a test imports a host)
from hrnet_mm.kernels import compiler, library
from hrnet_mm.kernels.cpu import instructions

# Tools that are not in a wheel, and their modules.
OF_THE_CHECKOUT = dict(
    benchmark='benchmark.command',
    complexity='papers.command',
    demo='demo.demo',
    make_dataset='demo.make_dataset',
)
NATIVE = 'native'  # all that the CPU has, avx512_bf16 included


@pytest.fixture(autouse=True)
def _same_start_for_every_test() -> Iterator[None]:
    """One seed, and nothing that the test before left behind: default scope, checkpoint readers."""
    torch.manual_seed(0)
    readers = CheckpointLoader._schemes
    CheckpointLoader._schemes = readers.copy()
    yield
    CheckpointLoader._schemes = readers
    DefaultScope._instance_dict.clear()


@pytest.fixture(scope='session')
def load_tool() -> Callable[[str], ModuleType]:
    """The module of a tool, by its name; its ``main`` takes the arguments."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(OF_THE_CHECKOUT.get(name, f'hrnet_mm.commands.{name}'))

    return load


@pytest.fixture(params=(NATIVE, 'avx512f', 'avx2', 'sse2'), scope='module')
def every_instruction_set(request: pytest.FixtureRequest) -> Iterator[None]:
    """The tests of a module run once with the kernels for each instruction set of this CPU."""
    if library.find_compiler() is None:
        pytest.skip('needs a C++ compiler')
    if request.param not in (NATIVE, *instructions()):
        pytest.skip(f'this CPU has no {request.param}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(compiler.CHOICE, '' if request.param == NATIVE else request.param)
        library.load_library.cache_clear()
        yield
    library.load_library.cache_clear()
