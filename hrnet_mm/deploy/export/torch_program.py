"""A program of torch.export: PyTorch's own operations, without the Python that called them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.export.passes import move_to_device_pass

from hrnet_mm.deploy.engines.torch_network import TorchNetwork
from hrnet_mm.deploy.export.job import Engine, Job
from hrnet_mm.deploy.table import PRECISIONS

NOTE = 'hrnet_mm.json'
SIDE = 128  # of the image it is traced with, which the file holds, too


def write(job: Job, path: Path) -> None:
    """Write the program, for any batch and size of image."""
    example = job.image.new_zeros(2, job.image.shape[1], SIDE, SIDE)
    torch.export.save(traced(job, example), path, extra_files={NOTE: job.note})


def traced(job: Job, example: Tensor) -> ExportedProgram:
    """The network as a program; ``example`` (2, in_channels, H, W) fixes no size.

    Two images, because one would fix their number.
    """
    dtype = PRECISIONS[job.precision]
    network = TorchNetwork(job.parts.net, job.parts.neck, example, dtype).eval()
    free = dict.fromkeys((0, 2, 3), Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(network, (example,), dynamic_shapes=(free,))


def load(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, on the device asked for."""
    [program] = files
    return ProgramEngine(program, device), device


class ProgramEngine:
    """Runs a program on a device.

    Args:
        program: the bytes of its file.
        device: where the images are.
    """

    def __init__(self, program: bytes, device: torch.device) -> None:
        self.program = program
        self.device = device
        self.module = move_to_device_pass(torch.export.load(io.BytesIO(program)), device).module()

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        """Image (N, in_channels, H, W) -> maps."""
        return self.module(image)

    def __reduce__(self) -> tuple:
        return ProgramEngine, (self.program, self.device)
