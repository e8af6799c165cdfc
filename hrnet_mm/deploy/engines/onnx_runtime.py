"""The fused network as an ONNX model, run by ONNX Runtime on a CPU, and as an .onnx file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from hrnet_mm.base.formats import INT8
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.fused.translator import Translator
from hrnet_mm.deploy.table import Engine, NetworkToWrite

OPSET, IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12


def build(network: FusedHRNet, image: Tensor, dtype: torch.dtype) -> Engine:
    """The engine, for images of all shapes.

    Raises:
        NotImplementedError: the network has an operation that is not translated.
    """
    return ONNXRuntimeEngine(to_onnx(network).SerializeToString())


def write_onnx(network: NetworkToWrite, path: Path) -> None:
    """Write the model ``image`` -> ``map0``, ``map1``, ...; both are float32."""
    model = to_onnx(network.fused)
    if network.precision == 'fp16':
        _convert_to_half(model)
    if network.precision == INT8:
        model = _quantized(model, network)
    helper.set_model_props(model, {'hrnet_mm': network.note})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def load_onnx(
    files: Sequence[bytes], precision: str, device: torch.device
) -> tuple[Engine, torch.device]:
    """The engine, and the device of its images: the CPU, whatever ONNX Runtime computes on."""
    [model] = files
    providers = ['CUDAExecutionProvider'] if device.type == 'cuda' else []
    return ONNXRuntimeEngine(model, *providers), torch.device('cpu')


class ONNXRuntimeEngine:
    """Runs an ONNX model with as many threads as PyTorch has.

    Args:
        model: the bytes of its file.
        providers: what should run it before the CPU, where ONNX Runtime has it.
    """

    def __init__(self, model: bytes, *providers: str) -> None:
        self.model = model
        self.providers = providers
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Without this, its threads keep the cores busy while the head runs.
        options.add_session_config_entry('session.force_spinning_stop', '1')
        available = [name for name in providers if name in onnxruntime.get_available_providers()]
        self.session = onnxruntime.InferenceSession(
            model, options, [*available, 'CPUExecutionProvider']
        )

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps."""
        maps = self.session.run(None, {'image': image.contiguous().numpy()})
        return tuple(map(torch.from_numpy, maps))

    def __reduce__(self) -> tuple:
        return ONNXRuntimeEngine, (self.model, *self.providers)


def to_onnx(network: FusedHRNet) -> onnx.ModelProto:
    """The model ``image`` (N, C, H, W) -> ``map0``, ``map1``, ...; batch and size free."""
    translator = ToONNX(network)
    maps = translator.run('image')
    outputs = [f'map{i}' for i in range(len(maps))]
    for x, name in zip(maps, outputs, strict=True):
        translator.node('Identity', [x], name)
    graph = helper.make_graph(
        translator.nodes,
        'hrnet',
        [_tensor('image', [network.in_channels])],
        [_tensor(name, [None]) for name in outputs],
        translator.constants,
    )
    opset = helper.make_opsetid('', OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)


class ToONNX(Translator):
    """Translates node by node; a value is the name of a tensor."""

    def __init__(self, network: FusedHRNet) -> None:
        super().__init__(network)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def convolution(self, x: str, conv: nn.Conv2d) -> str:
        filters = self.constant(conv.weight.float().cpu().numpy())
        bias = self.constant(conv.bias.float().cpu().numpy())
        return self.node(
            'Conv',
            [x, filters, bias],
            strides=conv.stride,
            pads=conv.padding * 2,
            dilations=conv.dilation,
            group=conv.groups,
        )

    def transposed(self, x: str, conv: nn.ConvTranspose2d) -> str:
        numbers = (conv.weight, conv.bias)
        filters, bias = (self.constant(number.float().cpu().numpy()) for number in numbers)
        pads = conv.padding * 2
        return self.node('ConvTranspose', [x, filters, bias], strides=conv.stride, pads=pads)

    def add(self, x: str, y: str) -> str:
        return self.node('Add', [x, y])

    def relu(self, x: str) -> str:
        return self.node('Relu', [x])

    def height_and_width(self, x: str, factor: int = 1) -> str:
        size = self.node('Shape', [x], start=2, end=4)
        return size if factor == 1 else self.node('Mul', [size, self.constant(np.array([factor]))])

    def resize(self, x: str, size: str, how: dict[str, str]) -> str:
        batch_and_channels = self.node('Shape', [x], start=0, end=2)
        size = self.node('Concat', [batch_and_channels, size], axis=0)
        return self.node('Resize', [x, '', '', size], **dict(mode='linear') | how)

    def pool(self, x: str, *, average: bool, factor: int) -> str:
        window = [factor] * 2
        kind = 'AveragePool' if average else 'MaxPool'
        return self.node(kind, [x], kernel_shape=window, strides=window)

    def node(
        self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Append a node; its output's name."""
        output = output or f'{kind.lower()}{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value: np.ndarray) -> str:
        """Append a constant; its name."""
        name = f'constant{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _tensor(name: str, channels: list[int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, *channels, None, None])


def _convert_to_half(model: onnx.ModelProto) -> None:
    """Make a model compute in float16 between a cast of the image and casts of the maps."""
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


def _quantized(model: onnx.ModelProto, network: NetworkToWrite) -> onnx.ModelProto:
    """The model with int8 convolutions, as QuantizeLinear and DequantizeLinear around each.

    A convolution and the ReLU after it are rounded once, together. For the rest see
    :func:`hrnet_mm.deploy.engines.open_vino_int8.quantized`: filters of 7 bits, for any CPU, and
    what stays in float32.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        images = iter(network.calibration)

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
            op_types_to_quantize=['Conv', 'Relu'],
            nodes_to_exclude=_in_float32(model.graph),
            per_channel=True,
            reduce_range=True,
        )
        return onnx.load(path)


def _in_float32(graph: onnx.GraphProto) -> list[str]:
    """The names of the stem's nodes, and of every ReLU that ends a sum."""
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    stem = {node.output[0] for node in convolutions[:2]}
    sums = {node.output[0] for node in graph.node if node.op_type == 'Add'}
    ends = [node for node in graph.node if node.op_type == 'Relu']
    return [*stem, *(node.name for node in ends if node.input[0] in stem | sums)]
