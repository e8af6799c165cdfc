"""OpenVINO's intermediate representation: the graph as .xml, the weights as .bin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import openvino
import torch

from hrnet_mm.deploy.engines.open_vino import ShapesEngine, has_arithmetic
from hrnet_mm.deploy.engines.open_vino_core import core
from hrnet_mm.deploy.engines.open_vino_graph import to_openvino
from hrnet_mm.deploy.export.job import Engine, Job
from hrnet_mm.deploy.table import INT8, PRECISIONS


def write(job: Job, path: Path) -> None:
    """Write both files. For fp16 and bf16 the weights are float16."""
    model = to_openvino(job.fused())
    if job.precision == INT8:
        from hrnet_mm.deploy.engines.open_vino_int8 import quantized

        model = quantized(model, _arrays(job), for_any_cpu=True)
    model.set_rt_info(job.note, ['hrnet_mm'])
    openvino.save_model(model, path, compress_to_fp16=job.precision in ('fp16', 'bf16'))


def load(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, on the CPU. Without arithmetic of the precision, the CPU computes in float32."""
    graph, numbers = files
    dtype = PRECISIONS.get(precision, torch.float32)
    if not has_arithmetic(dtype):
        dtype = torch.float32
    return ShapesEngine(core().read_model(graph, numbers), dtype), torch.device('cpu')


def _arrays(job: Job) -> Iterator[np.ndarray]:
    return (image.cpu().numpy() for image in job.calibration)
