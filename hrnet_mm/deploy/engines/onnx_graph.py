"""A fused network as an ONNX model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.fused.translator import Translator
from hrnet_mm.models.hrmodule import Upsample

OPSET, IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12
ALIGNED = dict(mode='linear', coordinate_transformation_mode='align_corners')
HALF_PIXEL = dict(mode='linear', coordinate_transformation_mode='half_pixel')
NEAREST = dict(mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor')
RESIZES = {('nearest', None): NEAREST, ('bilinear', False): HALF_PIXEL, ('bilinear', True): ALIGNED}


def to_onnx(network: FusedHRNet) -> onnx.ModelProto:
    """The model ``image`` (N, C, H, W) -> ``map0``, ``map1``, ...; batch and size free."""
    translator = ToONNX(network)
    maps = translator.run('image')
    outputs = [f'map{i}' for i in range(len(maps))]
    for x, name in zip(maps, outputs, strict=True):
        translator.add('Identity', [x], name)
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

    def conv(
        self, x: str, add: str | None = None, *, conv: nn.Conv2d, norm: None, relu: bool
    ) -> str:
        filters = self.constant(conv.weight.float().cpu().numpy())
        bias = self.constant(conv.bias.float().cpu().numpy())
        y = self.add(
            'Conv',
            [x, filters, bias],
            strides=conv.stride,
            pads=conv.padding * 2,
            dilations=conv.dilation,
            group=conv.groups,
        )
        return self._relu(y if add is None else self.add('Add', [y, add]), relu)

    def upsample_sum(
        self,
        base: str,
        same: Sequence[str],
        coarser: Sequence[str],
        *,
        upsample: Upsample | None,
        relu: bool,
    ) -> str:
        y = base
        for x in same:
            y = self.add('Add', [y, x])
        for doublings, x in enumerate(coarser, start=1):
            y = self.add('Add', [y, self.translated(upsample, x, base, doublings)])
        return self._relu(y, relu)

    def upsample(
        self,
        x: str,
        like: str,
        doublings: int,
        *,
        mode: str,
        align_corners: bool | None,
        by_powers_of_two: bool,
    ) -> str:
        resize = RESIZES[mode, align_corners]
        if by_powers_of_two:
            factor = self.constant(np.array([2**doublings]))
            doubled = self.add('Mul', [self.add('Shape', [x], start=2, end=4), factor])
            x = self._resize(x, doubled, resize)
        return self._resize(x, self.add('Shape', [like], start=2, end=4), resize)

    def pool(self, x: str, *, average: bool, factor: int) -> str:
        window = [factor] * 2
        kind = 'AveragePool' if average else 'MaxPool'
        return self.add(kind, [x], kernel_shape=window, strides=window)

    def add(
        self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Append a node; its output's name."""
        output = output or f'{kind.lower()}{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: np.ndarray) -> str:
        """Append a constant; its name."""
        name = f'constant{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _relu(self, x: str, relu: bool) -> str:
        return self.add('Relu', [x]) if relu else x

    def _resize(self, x: str, height_and_width: str, resize: dict[str, str]) -> str:
        batch_and_channels = self.add('Shape', [x], start=0, end=2)
        size = self.add('Concat', [batch_and_channels, height_and_width], axis=0)
        return self.add('Resize', [x, '', '', size], **resize)


def _tensor(name: str, channels: list[int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, *channels, None, None])
