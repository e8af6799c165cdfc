"""The fused network as an OpenVINO model, run by OpenVINO on a CPU, and as .xml and .bin files."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hrnet_mm.base.formats import INT8
from hrnet_mm.deploy.engines.open_vino_core import check_process, core, openvino
from hrnet_mm.deploy.engines.open_vino_int8 import quantized
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.fused.translator import Translator
from hrnet_mm.deploy.table import DTYPES, Engine, NetworkToWrite
from hrnet_mm.kernels.cpu import computes_in

ops = openvino.opset13
NAMES = {torch.float32: 'f32', torch.bfloat16: 'bf16', torch.float16: 'f16', torch.int8: 'i8'}
CAPABILITIES = {
    torch.float32: 'FP32',
    torch.bfloat16: 'BF16',
    torch.float16: 'FP16',
    torch.int8: 'INT8',
}
HEIGHT_AND_WIDTH = np.array([2, 3])
CHANNELS_LAST = np.array([0, 2, 3, 1])
# Operations prepared for the latest shapes of a model of free shape. OpenVINO's own limit is 5000:
# an HRNet-W18 then takes 570 MB more after 200 shapes, and 74 MB with this one, in the same time.
FEWER_KEPT = {'CPU_RUNTIME_CACHE_CAPACITY': '256'}


def build(network: FusedHRNet, image: Tensor, dtype: torch.dtype) -> Engine:
    """The engine, fastest for images of this shape; the first of another shape takes longer.

    Raises:
        NotImplementedError: the network has an operation that is not translated, or the CPU has
            no arithmetic of this precision (OpenVINO would silently take another).
    """
    _check_arithmetic(dtype)
    engine = OpenVINOEngine(to_openvino(network), dtype)
    engine(image)
    return engine


def build_int8(network: FusedHRNet, image: Tensor, calibration: Iterable[Tensor]) -> Engine:
    """The engine after quantisation, see ``hrnet_mm.deploy.engines.open_vino_int8``.

    Raises:
        NotImplementedError: as :func:`build`.
        UserError: NNCF is not installed.
    """
    _check_arithmetic(torch.int8)
    model = quantized(to_openvino(network), calibration, for_any_cpu=not computes_in('int8'))
    engine = OpenVINOEngine(model, torch.int8)
    engine(image)
    return engine


def write_openvino(network: NetworkToWrite, path: Path) -> None:
    """Write both files. For fp16 and bf16 the weights are float16."""
    model = to_openvino(network.fused)
    if network.precision == INT8:
        model = quantized(model, network.calibration, for_any_cpu=True)
    model.set_rt_info(network.note, ['hrnet_mm'])
    openvino.save_model(model, path, compress_to_fp16=network.precision in ('fp16', 'bf16'))


def load_openvino(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, and the device of its images: the CPU.

    Where the CPU has no arithmetic of the precision, it computes in float32.
    """
    graph, numbers = files
    dtype = DTYPES.get(precision, torch.float32)
    if not has_arithmetic(dtype):
        dtype = torch.float32
    return _engine_of_files(graph, numbers, dtype), torch.device('cpu')


def compile_for_cpu(model: openvino.Model, dtype: torch.dtype) -> openvino.CompiledModel:
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
        return core().compile_model(model, 'CPU', options | FEWER_KEPT)
    except RuntimeError:  # an OpenVINO without this setting, or one that will say so again
        return core().compile_model(model, 'CPU', options)


class OpenVINOEngine:
    """Compiles a model for the first shape that comes, and once more for all others together.

    OpenVINO fuses more operations of a model of one shape, and plans its memory ahead. The maps
    leave OpenVINO as it keeps them, the channels of a pixel side by side, and NumPy transposes
    them: OpenVINO's transposition takes longer, and PyTorch's would wake threads of PyTorch, which
    then stand in the way of OpenVINO's.

    Args:
        model: of free batch and size, with maps (N, C, H, W).
        dtype: in which to compute, see :func:`compile_for_cpu`.
    """

    def __init__(self, model: openvino.Model, dtype: torch.dtype) -> None:
        self.source = model
        self.model = _with_channels_last(model)
        self.dtype = dtype
        self.lock = threading.Lock()
        self.shape: torch.Size | None = None
        self.of_shape: CompiledEngine | None = None
        self.of_others: CompiledEngine | None = None

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps."""
        with self.lock:
            engine = self._engine(image.shape)
        return engine(image)

    def run_uncached(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image -> maps, as a call gives them; the model compiled for this shape is not kept."""
        return self._compiled_for(image.shape)(image)

    def _compiled_for(self, shape: torch.Size) -> CompiledEngine:
        model = self.model.clone()
        model.reshape(list(shape))
        return CompiledEngine(compile_for_cpu(model, self.dtype))

    def __reduce__(self) -> tuple:
        return _engine_of_files, (*_as_files(self.source), self.dtype)

    def _engine(self, shape: torch.Size) -> CompiledEngine:
        if self.of_shape is None:
            self.shape, self.of_shape = shape, self._compiled_for(shape)
        if shape == self.shape:
            return self.of_shape
        if self.of_others is None:
            self.of_others = CompiledEngine(compile_for_cpu(self.model, self.dtype))
        return self.of_others


class CompiledEngine:
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


def _engine_of_files(graph: bytes, numbers: bytes, dtype: torch.dtype) -> OpenVINOEngine:
    return OpenVINOEngine(core().read_model(graph, numbers), dtype)


def _with_channels_last(model: openvino.Model) -> openvino.Model:
    maps = [result.input_value(0) for result in model.get_results()]
    outputs = [ops.transpose(x, CHANNELS_LAST) for x in maps]
    return openvino.Model(outputs, model.get_parameters(), model.get_name())


def _check_arithmetic(dtype: torch.dtype) -> None:
    if not has_arithmetic(dtype):
        raise NotImplementedError(f'this CPU has no {NAMES[dtype]} arithmetic')


def has_arithmetic(dtype: torch.dtype) -> bool:
    """Whether OpenVINO computes in a type on this CPU; else it would silently take another."""
    return CAPABILITIES[dtype] in core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def to_openvino(network: FusedHRNet) -> openvino.Model:
    """The model ``image`` (N, C, H, W) -> maps; batch and size free."""
    image = ops.parameter([-1, network.in_channels, -1, -1], np.float32, name='image')
    maps = ToOpenVINO(network).run(image)
    return openvino.Model(list(maps), [image], 'hrnet')


class ToOpenVINO(Translator):
    """Translates node by node; a value is an output of a node."""

    def convolution(self, x: Any, conv: nn.Conv2d) -> Any:
        if conv.groups > 1:
            raise NotImplementedError(f'{conv} has no translation')
        padding = list(conv.padding)
        filters = conv.weight.float().cpu().numpy()
        y = ops.convolution(x, filters, list(conv.stride), padding, padding, list(conv.dilation))
        return ops.add(y, conv.bias.float().cpu().reshape(1, -1, 1, 1).numpy())

    def transposed(self, x: Any, conv: nn.ConvTranspose2d) -> Any:
        padding, filters = list(conv.padding), conv.weight.float().cpu().numpy()
        y = ops.convolution_backprop_data(
            x, filters, list(conv.stride), pads_begin=padding, pads_end=padding
        )
        return ops.add(y, conv.bias.float().cpu().reshape(1, -1, 1, 1).numpy())

    def add(self, x: Any, y: Any) -> Any:
        return ops.add(x, y)

    def relu(self, x: Any) -> Any:
        return ops.relu(x)

    def height_and_width(self, x: Any, factor: int = 1) -> Any:
        size = ops.gather(ops.shape_of(x), HEIGHT_AND_WIDTH, np.array(0))
        return size if factor == 1 else ops.multiply(size, np.array(factor))

    def resize(self, x: Any, size: Any, how: dict[str, str]) -> Any:
        how = dict(mode='linear_onnx', shape_calculation_mode='sizes') | how
        return ops.interpolate(x, size, axes=HEIGHT_AND_WIDTH, **how)

    def pool(self, x: Any, *, average: bool, factor: int) -> Any:
        none = [0, 0]
        # A window may reach over the end of a map, where it sees nothing. Of those that do, only
        # the first one is wanted: OpenVINO has no window that is cut to a smaller map.
        window, over = [factor] * 2, [factor - 1] * 2
        if average:
            y = ops.avg_pool(x, window, none, over, window, exclude_pad=True)
        else:
            y = ops.max_pool(x, window, [1, 1], none, over, window).output(0)
        size = ops.maximum(ops.divide(self.height_and_width(x), np.array(factor)), np.array(1))
        return ops.slice(y, np.array(none), size, np.array([1, 1]), HEIGHT_AND_WIDTH)
