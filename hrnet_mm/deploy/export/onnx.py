"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from hrnet_mm.deploy.engines.onnx_graph import to_onnx
from hrnet_mm.deploy.engines.onnx_runtime import SessionEngine
from hrnet_mm.deploy.export.job import Engine, Job
from hrnet_mm.deploy.table import INT8


def write(job: Job, path: Path) -> None:
    """Write the model ``image`` -> ``map0``, ``map1``, ...; float32 outside."""
    model = to_onnx(job.fused())
    if job.precision == 'fp16':
        to_half(model)
    if job.precision == INT8:
        model = quantized(model, job)
    helper.set_model_props(model, {'hrnet_mm': job.note})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def to_half(model: onnx.ModelProto) -> None:
    """Make a model of ``graphs.onnx`` compute in float16 between a cast of image and of maps."""
    graph = model.graph
    for constant in graph.initializer:
        if constant.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(constant).astype(np.float16)
            constant.CopyFrom(numpy_helper.from_array(half, constant.name))
    outputs = {output.name for output in graph.output}
    for node in graph.node:
        if node.output[0] in outputs:  # an Identity
            node.CopyFrom(helper.make_node('Cast', node.input, node.output, to=TensorProto.FLOAT))
        else:
            node.input[:] = ['half_image' if name == 'image' else name for name in node.input]
    cast = helper.make_node('Cast', ['image'], ['half_image'], to=TensorProto.FLOAT16)
    graph.node.insert(0, cast)


def quantized(model: onnx.ModelProto, job: Job) -> onnx.ModelProto:
    """The model with int8 convolutions, as QuantizeLinear and DequantizeLinear around each.

    Filters have 7 bits, for any CPU: see :func:`hrnet_mm.deploy.engines.open_vino_int8.quantized`.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images: Iterator[Tensor] = iter(job.calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.images, None)
            return None if image is None else {'image': image.cpu().numpy()}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'int8.onnx'
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=['Conv'],
            per_channel=True,
            reduce_range=True,
        )
        return onnx.load(path)


def load(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, which takes images on the CPU; on a GPU it computes where ONNX Runtime can."""
    [model] = files
    providers = ['CUDAExecutionProvider'] if device.type == 'cuda' else []
    return SessionEngine(model, *providers), torch.device('cpu')
