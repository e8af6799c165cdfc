"""Which backends there are, where each works, and in which order ``auto`` takes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from hrnet_mm.kernels.library import find_compiler
from hrnet_mm.models import HRNet

# Image (N, in_channels, H, W) as ``image_spec`` gives it -> the maps of the neck or, without one,
# of the backbone; float32. Several threads may call it. It is copied, pickled, and made anew in a
# forked process from what it was made of, see ``__reduce__`` of each.
Engine = Callable[[Tensor], tuple[Tensor, ...]]


def once(engine: Engine, image: Tensor) -> tuple[Tensor, ...]:
    """The maps for an image of a shape that will not come again.

    Engines that keep something for every shape have a method of this name, which keeps nothing.
    """
    return getattr(engine, 'once', engine)(image)


PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
INT8 = 'int8'  # not one type throughout: convolutions in integers, the rest in float32


@dataclass(frozen=True)
class Backend:
    """A way to run a network.

    Attributes:
        module: in ``engines``, which has ``build``.
        devices: types of device it runs on; empty: all.
        precisions: those it computes in.
        packages: that must be installed.
        int8_packages: that int8 needs besides.
        compiles: whether it needs a C++ compiler on a CPU.
    """

    name: str
    module: str
    devices: tuple[str, ...] = ()
    precisions: tuple[str, ...] = tuple(PRECISIONS)
    packages: tuple[str, ...] = ()
    int8_packages: tuple[str, ...] = ()
    compiles: bool = False

    def misfit(self, device: torch.device, precision: str) -> str | None:
        """Why it is not for this device or precision, as the end of a sentence, or None."""
        if self.devices and device.type not in self.devices:
            return f'runs on {" and ".join(self.devices)}, and the model is on {device.type}'
        if precision not in self.precisions:
            return f'computes in {", ".join(self.precisions)}, not in {precision}'
        return None

    def lack(self, device: torch.device, precision: str = 'fp32') -> str | None:
        """What this machine lacks for it, as the end of a sentence, or None."""
        needed = self.packages + (self.int8_packages if precision == INT8 else ())
        missing = [name for name in needed if find_spec(name) is None]
        if missing:
            return f'needs {" and ".join(missing)} (pip install {" ".join(missing)})'
        if self.compiles and device.type == 'cpu' and find_compiler() is None:
            return 'needs a C++ compiler (g++ or clang++)'
        return None

    def build(
        self,
        net: HRNet,
        neck: nn.Module | None,
        image: Tensor,
        precision: str,
        calibration: Iterable[Tensor] = (),
    ) -> Engine:
        """Make the engine for a network on the device of ``image``, an example of its input.

        ``calibration`` are the images from which int8 takes its steps.
        """
        module = importlib.import_module(f'hrnet_mm.deploy.engines.{self.module}')
        if precision == INT8:
            return module.build_int8(net, neck, image, calibration)
        return module.build(net, neck, image, PRECISIONS[precision])


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend('native', 'own_kernels', ('cpu',), ('fp32', 'bf16'), compiles=True),
        Backend('openvino', 'open_vino', ('cpu',), (*PRECISIONS, INT8), ('openvino',), ('nncf',)),
        Backend('onnxruntime', 'onnx_runtime', ('cpu',), ('fp32',), ('onnx', 'onnxruntime')),
        Backend('inductor', 'torch_compiled', ('cpu', 'cuda'), compiles=True),
        Backend('eager', 'torch_eager'),
    )
}

# As measured on a CPU. On CUDA nothing is measured yet.
FASTEST_FIRST = {
    'cpu': ('native', 'openvino', 'onnxruntime', 'inductor', 'eager'),
    'cuda': ('inductor', 'eager'),
}


def suitable(device: torch.device, precision: str) -> list[Backend]:
    """The backends for a device and precision, the fastest first."""
    names = FASTEST_FIRST.get(device.type, ('eager',))
    return [BACKENDS[name] for name in names if not BACKENDS[name].misfit(device, precision)]
