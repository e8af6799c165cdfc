"""A package of AOTInductor: the network compiled to a library, which torch loads."""

from __future__ import annotations

from pathlib import Path

import torch
import torch._inductor as inductor

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


def load(path: Path, precision: str, device: torch.device) -> tuple[Engine, torch.device]:
    """The engine, on the device it was compiled for."""
    model = inductor.aoti_load_package(str(path))
    return model, torch.device(model.get_metadata()['AOTI_DEVICE_KEY'])
