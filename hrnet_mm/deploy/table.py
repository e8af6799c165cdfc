"""What runs a fused network: the backends of ``optimize``, and the formats of exported files.

A module of ``engines`` may be behind several rows: ``onnx_runtime`` runs the network in this
process (the backend ``'onnxruntime'``) and writes and reads the format ``'onnx'``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.formats import INT8, KINDS, PRECISIONS, TYPES, check_precision, kind_of
from hrnet_mm.base.torch_versions import is_older_than, require_torch
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.kernels.bundled import bundled_file
from hrnet_mm.kernels.library import find_compiler

# Image (N, in_channels, H, W) as ``ImageSpec`` gives it -> the maps of the neck or, without one,
# of the backbone; float32. Several threads may call it. It is copied, pickled, and made anew in a
# forked process from what it was made of, see ``__reduce__`` of each. One that keeps something for
# every shape has a method ``run_uncached``, which computes the same and keeps nothing.
Engine = Callable[[Tensor], tuple[Tensor, ...]]

DTYPES = {name: getattr(torch, kind) for name, kind in TYPES.items()}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A module of ``engines``, and what it needs.

    Attributes:
        name: of the backend or format.
        module: the name of the module.
        precisions: in which it computes.
        packages: what must be installed.
        int8_packages: what int8 needs besides.
        torch: the oldest version that can do it.
        compiles: whether it needs a C++ compiler on a CPU.
    """

    name: str
    module: str
    precisions: tuple[str, ...] = tuple(DTYPES)
    packages: tuple[str, ...] = ()
    int8_packages: tuple[str, ...] = ()
    torch: str = '2.1'
    compiles: bool = False

    def import_module(self) -> ModuleType:
        return importlib.import_module(f'hrnet_mm.deploy.engines.{self.module}')

    def missing_packages(self, precision: str) -> list[str]:
        needed = self.packages + (self.int8_packages if precision == INT8 else ())
        return [name for name in needed if find_spec(name) is None]

    def misses_compiler(self) -> bool:
        return self.compiles and find_compiler() is None


@dataclass(frozen=True, kw_only=True)
class Backend(Runtime):
    """A way to run a network in this process.

    Attributes:
        devices: types of device it runs on; empty: all.
    """

    devices: tuple[str, ...] = ()

    def why_unsuitable(self, device: torch.device, precision: str) -> str | None:
        """Why the backend is not for a device or precision, as the end of a sentence, or None."""
        if self.devices and device.type not in self.devices:
            return f'runs on {" and ".join(self.devices)}, and the model is on {device.type}'
        if precision not in self.precisions:
            return f'computes in {", ".join(self.precisions)}, not in {precision}'
        return None

    def what_is_missing(self, device: torch.device, precision: str = 'fp32') -> str | None:
        """What this machine lacks for the backend, as the end of a sentence, or None."""
        if is_older_than(self.torch):
            return f'needs torch {self.torch} or newer, and this is {torch.__version__}'
        if missing := self.missing_packages(precision):
            return f'needs {" and ".join(missing)} (pip install {" ".join(missing)})'
        if device.type == 'cpu' and self.misses_compiler():
            return 'needs a C++ compiler (g++ or clang++)'
        return None

    def build(
        self,
        network: FusedHRNet,
        image: Tensor,
        precision: str,
        calibration: Iterable[Tensor] = (),
    ) -> Engine:
        """Make the engine for a network, which it may keep and convert.

        Args:
            network: the network.
            image: an example of its input, on the device where it is to run.
            precision: in which to compute.
            calibration: the images by which int8 chooses its steps.
        """
        if precision == INT8:
            return self.import_module().build_int8(network, image, calibration)
        return self.import_module().build(network, image, DTYPES[precision])


@dataclass(frozen=True)
class NetworkToWrite:
    """What the functions that write a file are given.

    Attributes:
        fused: the network, which they may convert.
        image: an example of its input, (1, in_channels, H, W).
        precision: of the weights and the arithmetic.
        calibration: images as the network gets them, by which int8 chooses its steps.
        note: JSON for people who open the file, see ``exported.ExportDescription``.
    """

    fused: FusedHRNet
    image: Tensor
    precision: str
    calibration: Iterable[Tensor]
    note: str


@dataclass(frozen=True, kw_only=True)
class Format(Runtime):
    """A format of exported files.

    Attributes:
        title: its name for people.
        suffixes: of its files; the first is of the one the user names.
        runs_code: whether the file may run code when it is loaded.
        side_factor: the shortest side of an image, in multiples of what the network needs.
    """

    title: str
    suffixes: tuple[str, ...]
    runs_code: bool = False
    side_factor: int = 1

    def write(self, network: NetworkToWrite, path: Path) -> None:
        getattr(self.import_module(), f'write_{self.name}')(network, path)

    def load(
        self, files: Sequence[bytes], precision: str, device: torch.device
    ) -> tuple[Engine, torch.device]:
        """The engine that runs a file, and the device of the images it takes.

        Args:
            files: the bytes of all its files.
            precision: of what is in it.
            device: where it should run, if it can.
        """
        return getattr(self.import_module(), f'load_{self.name}')(files, precision, device)

    def files(self, out: Path) -> list[Path]:
        """The files that are written with ``out``, which is the first of them."""
        return [out.with_suffix(suffix) for suffix in self.suffixes]

    def check(self, out: Path, precision: str) -> None:
        """Make sure that this machine can write and read the format.

        Raises:
            UserError: the format cannot hold this precision, or something is not installed.
        """
        check_precision(self.name, out, precision)
        require_torch(self.torch, self.title)
        if missing := self.missing_packages(precision):
            raise UserError(f'{out} needs {" and ".join(missing)}: pip install {" ".join(missing)}')
        if self.misses_compiler():
            raise UserError(f'{self.title} needs a C++ compiler (g++ or clang++)')


ONNX = dict(module='onnx_runtime', packages=('onnx', 'onnxruntime'))
OPENVINO = dict(module='open_vino', packages=('openvino',), int8_packages=('nncf',))
# torch.export asks for a map of 2 x 2 where the network is content with one pixel. Before torch 2.6
# it could not be asked for any size.
PT2 = dict(
    module='torch_compiled',
    torch='2.6',
    runs_code=True,
    side_factor=2,
)

# The fastest first, as measured on a CPU. On CUDA nothing is measured yet.
BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            name='native',
            module='own_kernels',
            devices=('cpu',),
            precisions=('fp32', 'bf16', 'int8'),
            compiles=bundled_file() is None,  # a wheel carries its kernels
        ),
        Backend(name='openvino', devices=('cpu',), precisions=PRECISIONS, **OPENVINO),
        Backend(name='onnxruntime', devices=('cpu',), precisions=('fp32',), **ONNX),
        Backend(  # the compiler of torch before 2.5 does not know zip(strict=True)
            name='inductor',
            module='torch_compiled',
            devices=('cpu', 'cuda'),
            torch='2.5',
            compiles=True,
        ),
        Backend(name='eager', module='torch_eager'),
    )
}

FORMATS = {
    format.name: format
    for format in (
        Format(name='onnx', **KINDS['onnx'], **ONNX),
        Format(name='openvino', **KINDS['openvino'], **OPENVINO),
        Format(name='torch_program', **KINDS['torch_program'], **PT2),
        Format(name='aotinductor', compiles=True, **KINDS['aotinductor'], **PT2),
    )
}


def suitable_backends(device: torch.device, precision: str) -> list[Backend]:
    """The backends for a device and precision, the fastest first."""
    return [b for b in BACKENDS.values() if not b.why_unsuitable(device, precision)]


def format_named(name: str, out: Path) -> Format:
    """The format of a file that is said to be of one.

    Args:
        name: of the format.
        out: the file; its ending must be that of the format, so that the file that is named is the
            one that is run.

    Raises:
        UserError: there is no such format, or its files end in something else.
    """
    fitting = {f.name: f for f in FORMATS.values() if f.suffixes[0] == out.suffix}
    if name not in fitting:
        formats = ' or '.join(fitting) or 'no format'
        raise UserError(
            f'{out.name} ends as {formats} does; what belongs to it says that it is {name!r:.60}'
        )
    return fitting[name]


def format_of(out: Path, aot: bool) -> Format:
    """The format that a file's name asks for, see ``base.formats.kind_of``."""
    return FORMATS[kind_of(out, aot)]
