"""The fused network compiled by torch.compile, and as a file: a .pt2 of either of two formats.

The two are a program of torch.export, which holds PyTorch's own operations without the Python that
called them, and a package of AOTInductor, which holds the program compiled to a library.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path

import torch
import torch._inductor as inductor
from torch import Tensor
from torch._inductor import config
from torch.export import ExportedProgram

from hrnet_mm.deploy.engines.torch_eager import TorchNetwork
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import DTYPES, Engine, NetworkToWrite

MAX_SHAPES = 8  # torch.compile stops at as many
# On a GPU, a CUDA graph launches all kernels at once; on a CPU there is none, and nothing changes.
MODE = 'reduce-overhead'

# One lock for all engines: threads share the memory of CUDA graphs and, in an older PyTorch, the
# settings of the compiler.
_ONE_AT_A_TIME = threading.Lock()

NOTE = 'hrnet_mm.json'  # the file in a program that says what it is
TRACED_SIDE = 128  # height and width of the image a program is traced with, which the file holds


def build(network: FusedHRNet, image: Tensor, dtype: torch.dtype) -> Engine:
    """The engine compiled for the shape of ``image``, and anew for each of the first others."""
    engine = InductorEngine(TorchNetwork(network, image.device, dtype))
    engine(image)
    return engine


class InductorEngine:
    """Compiles a network for each shape; beyond ``MAX_SHAPES`` of them it runs uncompiled."""

    def __init__(self, network: TorchNetwork) -> None:
        self.network = network
        self.compiled = torch.compile(network, fullgraph=True, dynamic=False, mode=MODE)
        self.shapes: set[torch.Size] = set()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps in memory of their own."""
        with _ONE_AT_A_TIME:
            if image.shape not in self.shapes and len(self.shapes) == MAX_SHAPES:
                return self.run_uncached(image)
            self.shapes.add(image.shape)
            # As a patch, not as `options` of torch.compile: Dynamo, too, must see that parameters
            # are constants.
            with config.patch(freezing=True), torch.no_grad():
                maps = self.compiled(image)
            # The next run of a CUDA graph writes its maps to the same place.
            return tuple(x.clone() if x.is_cuda else x for x in maps)

    def run_uncached(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image -> maps, as a call gives them, without compilation."""
        return self.network(image)

    def __reduce__(self) -> tuple:
        return InductorEngine, (self.network,)


def write_torch_program(network: NetworkToWrite, path: Path) -> None:
    """Write a program of torch.export for any batch and size of image."""
    example = network.image.new_zeros(2, network.image.shape[1], TRACED_SIDE, TRACED_SIDE)
    program = _traced(network, example)
    torch.export.save(program, path, extra_files={NOTE: network.note})


def load_torch_program(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, and the device of its images: the one asked for."""
    [program] = files
    return TorchProgramEngine(program, device), device


class TorchProgramEngine:
    """Runs a program of torch.export.

    Args:
        program: the bytes of its file.
        device: where the images are.
    """

    def __init__(self, program: bytes, device: torch.device) -> None:
        from torch.export.passes import move_to_device_pass  # PyTorch before 2.6 has none

        self.program = program
        self.device = device
        self.module = move_to_device_pass(torch.export.load(io.BytesIO(program)), device).module()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps."""
        return self.module(image)

    def __reduce__(self) -> tuple:
        return TorchProgramEngine, (self.program, self.device)


def write_aotinductor(network: NetworkToWrite, path: Path) -> None:
    """Compile for the processor, or the GPU, at hand; for any batch and size of image."""
    program = _traced(network, network.image.repeat(2, 1, 1, 1))
    inductor.aoti_compile_and_package(
        program,
        package_path=str(path),
        inductor_configs={
            'freezing': network.image.device.type == 'cpu',
            'aot_inductor.metadata': {'hrnet_mm': network.note},
        },
    )


def load_aotinductor(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, and the device of its images: the one it was compiled for."""
    [package] = files
    engine = AOTInductorEngine(package)
    return engine, torch.device(engine.model.get_metadata()['AOTI_DEVICE_KEY'])


class AOTInductorEngine:
    """Runs a package of AOTInductor.

    Args:
        package: the bytes of its file.
    """

    def __init__(self, package: bytes) -> None:
        self.package = package
        self.model = inductor.aoti_load_package(io.BytesIO(package))

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps."""
        return tuple(self.model(image))

    def __reduce__(self) -> tuple:
        return AOTInductorEngine, (self.package,)


def _traced(network: NetworkToWrite, example: Tensor) -> ExportedProgram:
    """The network as a program; ``example`` (2, in_channels, H, W) fixes no size.

    Two images, because one would fix their number.
    """
    module = TorchNetwork(network.fused, example.device, DTYPES[network.precision]).eval()
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(module, (example,), dynamic_shapes=(free,))
