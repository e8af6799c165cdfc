"""The fused network run by OpenVINO on a CPU."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import openvino
import torch
from openvino import opset13 as ops
from torch import Tensor, nn

from hrnet_mm.deploy.engines.open_vino_core import check_process, core
from hrnet_mm.deploy.engines.open_vino_graph import to_openvino
from hrnet_mm.deploy.engines.open_vino_int8 import quantized
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import Engine
from hrnet_mm.kernels.cpu import computes_in
from hrnet_mm.models import HRNet

NAMES = {torch.float32: 'f32', torch.bfloat16: 'bf16', torch.float16: 'f16', torch.int8: 'i8'}
CAPABILITIES = {
    torch.float32: 'FP32',
    torch.bfloat16: 'BF16',
    torch.float16: 'FP16',
    torch.int8: 'INT8',
}
# Operations prepared for the latest shapes of a model of free shape. OpenVINO's own limit is 5000:
# an HRNet-W18 then takes 570 MB more after 200 shapes, and 74 MB with this one, in the same time.
KEPT = {'CPU_RUNTIME_CACHE_CAPACITY': '256'}
CHANNELS_LAST = np.array([0, 2, 3, 1])


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """For all shapes, fastest for that of ``image``; the first run of another takes longer.

    Raises:
        NotImplementedError: the network has an operation that is not translated, or the CPU has
            no arithmetic of this precision (OpenVINO would silently take another).
    """
    _check_arithmetic(dtype)
    engine = ShapesEngine(to_openvino(FusedHRNet(net, neck)), dtype)
    engine(image)
    return engine


def build_int8(
    net: HRNet, neck: nn.Module | None, image: Tensor, calibration: Iterable[Tensor]
) -> Engine:
    """The same after quantisation, see ``hrnet_mm.deploy.engines.open_vino_int8``.

    Raises:
        NotImplementedError: as :func:`build`.
        UserError: NNCF is not installed.
    """
    _check_arithmetic(torch.int8)
    model = to_openvino(FusedHRNet(net, neck))
    images = (x.contiguous().numpy() for x in calibration)
    model = quantized(model, images, for_any_cpu=not computes_in('int8'))
    engine = ShapesEngine(model, torch.int8)
    engine(image)
    return engine


def compiled(model: openvino.Model, dtype: torch.dtype) -> openvino.CompiledModel:
    """The model for this CPU, with as many threads as PyTorch has.

    Args:
        model: may hold 8-bit convolutions.
        dtype: of all other arithmetic; float32 for ``torch.int8``.
    """
    options = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': NAMES[dtype] if dtype.is_floating_point else 'f32',
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        'CPU_DENORMALS_OPTIMIZATION': 'NO',
    }
    try:
        return core().compile_model(model, 'CPU', options | KEPT)
    except RuntimeError:  # an OpenVINO without this setting, or one that will say so again
        return core().compile_model(model, 'CPU', options)


class ShapesEngine:
    """Compiles a model for the first shape that comes, and once more for all others together.

    OpenVINO fuses more operations of a model of one shape, and plans its memory ahead. It keeps
    the channels of a pixel side by side, and the maps leave it so: its own transposition of a map
    takes longer than NumPy's. PyTorch's would wake its threads, which then stand in the way of
    OpenVINO's.

    Args:
        model: of free batch and size, with maps (N, C, H, W).
        dtype: in which to compute, see :func:`compiled`.
    """

    def __init__(self, model: openvino.Model, dtype: torch.dtype) -> None:
        self.source = model
        self.model = _with_channels_last(model)
        self.dtype = dtype
        self.lock = threading.Lock()
        self.shape: torch.Size | None = None
        self.of_shape: OpenVINOEngine | None = None
        self.of_others: OpenVINOEngine | None = None

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps."""
        with self.lock:
            engine = self._engine(image.shape)
        return engine(image)

    def once(self, image: Tensor) -> tuple[Tensor, ...]:
        """The same; the model that is compiled for this shape is not kept."""
        return self._compiled_for(image.shape)(image)

    def _compiled_for(self, shape: torch.Size) -> OpenVINOEngine:
        model = self.model.clone()
        model.reshape(list(shape))
        return OpenVINOEngine(compiled(model, self.dtype))

    def __reduce__(self) -> tuple:
        return _engine_of_files, (*_as_files(self.source), self.dtype)

    def _engine(self, shape: torch.Size) -> OpenVINOEngine:
        if self.of_shape is None:
            self.shape, self.of_shape = shape, self._compiled_for(shape)
        if shape == self.shape:
            return self.of_shape
        if self.of_others is None:
            self.of_others = OpenVINOEngine(compiled(self.model, self.dtype))
        return self.of_others


class OpenVINOEngine:
    """Calls a compiled model whose maps are (N, H, W, C)."""

    def __init__(self, model: openvino.CompiledModel) -> None:
        self.request = model.create_infer_request()
        self.lock = threading.Lock()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps (N, C, H, W) in memory of their own."""
        check_process()
        image = image.contiguous().numpy()
        with self.lock:
            maps = self.request.infer([image], share_inputs=True, share_outputs=True)
            copies = [np.array(x.transpose(0, 3, 1, 2), order='C') for x in maps.values()]
        return tuple(map(torch.from_numpy, copies))


def _as_files(model: openvino.Model) -> tuple[bytes, bytes]:
    """What the two files of a model hold: its graph, and its numbers."""
    with tempfile.TemporaryDirectory() as folder:
        graph, numbers = Path(folder) / 'model.xml', Path(folder) / 'model.bin'
        openvino.serialize(model, graph, numbers)
        return graph.read_bytes(), numbers.read_bytes()


def _engine_of_files(graph: bytes, numbers: bytes, dtype: torch.dtype) -> ShapesEngine:
    return ShapesEngine(core().read_model(graph, numbers), dtype)


def _with_channels_last(model: openvino.Model) -> openvino.Model:
    maps = [result.input_value(0) for result in model.get_results()]
    outputs = [ops.transpose(x, CHANNELS_LAST) for x in maps]
    return openvino.Model(outputs, model.get_parameters(), model.get_name())


def _check_arithmetic(dtype: torch.dtype) -> None:
    if not has_arithmetic(dtype):
        raise NotImplementedError(f'this CPU has no {NAMES[dtype]} arithmetic')


def has_arithmetic(dtype: torch.dtype) -> bool:
    """Whether OpenVINO computes in this type on this CPU, or would silently take another."""
    return CAPABILITIES[dtype] in core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
