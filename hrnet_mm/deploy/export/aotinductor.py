"""A package of AOTInductor: the network compiled to a library, which torch loads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
import torch._inductor as inductor
from torch import Tensor

from hrnet_mm.deploy.export.job import Engine, Job
from hrnet_mm.deploy.export.torch_program import traced


def write(job: Job, path: Path) -> None:
    """Compile for the processor, or the GPU, at hand; any batch and size of image."""
    program = traced(job, job.image.repeat(2, 1, 1, 1))
    inductor.aoti_compile_and_package(
        program,
        package_path=str(path),
        inductor_configs={
            'freezing': job.image.device.type == 'cpu',
            'aot_inductor.metadata': {'hrnet_mm': job.note},
        },
    )


def load(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, on the device it was compiled for."""
    [package] = files
    engine = PackageEngine(package)
    return engine, torch.device(engine.model.get_metadata()['AOTI_DEVICE_KEY'])


class PackageEngine:
    """Runs a package.

    Args:
        package: the bytes of its file.
    """

    def __init__(self, package: bytes) -> None:
        self.package = package
        self.model = inductor.aoti_load_package(io.BytesIO(package))

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        """Image (N, in_channels, H, W) -> maps."""
        return self.model(image)

    def __reduce__(self) -> tuple:
        return PackageEngine, (self.package,)
