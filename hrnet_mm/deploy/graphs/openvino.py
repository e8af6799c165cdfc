"""A fused network as an OpenVINO model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from hrnet_mm.deploy.graphs.translator import Translator
from hrnet_mm.deploy.layers import FusedConv, Pool, UpsampleSum
from hrnet_mm.deploy.network import FusedHRNet
from hrnet_mm.models.hrmodule import Upsample

HEIGHT_AND_WIDTH = np.array([2, 3])


def to_openvino(network: FusedHRNet) -> openvino.Model:
    """The model ``image`` (N, C, H, W) -> maps; batch and size free."""
    image = ops.parameter([-1, network.in_channels, -1, -1], np.float32, name='image')
    maps = ToOpenVINO(network).run(image)
    return openvino.Model(list(maps), [image], 'hrnet')


class ToOpenVINO(Translator):
    """Translates node by node."""

    def conv(self, module: FusedConv, x: Any, add: Any = None) -> Any:
        conv = module.conv
        padding = list(conv.padding)
        filters = conv.weight.float().cpu().numpy()
        y = ops.convolution(x, filters, list(conv.stride), padding, padding, list(conv.dilation))
        y = ops.add(y, conv.bias.float().cpu().reshape(1, -1, 1, 1).numpy())
        if add is not None:
            y = ops.add(y, add)
        return ops.relu(y) if module.relu else y

    def upsample_sum(
        self, module: UpsampleSum, base: Any, same: Sequence[Any], coarser: Sequence[Any]
    ) -> Any:
        y = base
        for x in same:
            y = ops.add(y, x)
        for x in coarser:
            y = ops.add(y, _upsample(module.upsample, x, base))
        return ops.relu(y) if module.relu else y

    def pool(self, module: Pool, x: Any) -> Any:
        factor, none = module.factor, [0, 0]
        # A window may reach over the end of a map, where it sees nothing. Of those that do, only
        # the first one is wanted: OpenVINO has no window that is cut to a smaller map.
        window, over = [factor] * 2, [factor - 1] * 2
        if module.average:
            y = ops.avg_pool(x, window, none, over, window, exclude_pad=True)
        else:
            y = ops.max_pool(x, window, [1, 1], none, over, window).output(0)
        size = ops.maximum(ops.divide(_height_and_width(x), np.array(factor)), np.array(1))
        return ops.slice(y, np.array(none), size, np.array([1, 1]), HEIGHT_AND_WIDTH)


def _upsample(upsample: Upsample, x: Any, like: Any) -> Any:
    if upsample.mode == 'nearest':
        mode = dict(
            mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor'
        )
    else:
        corners = 'align_corners' if upsample.align_corners else 'half_pixel'
        mode = dict(mode='linear_onnx', coordinate_transformation_mode=corners)
    size = _height_and_width(like)
    return ops.interpolate(x, size, shape_calculation_mode='sizes', axes=HEIGHT_AND_WIDTH, **mode)


def _height_and_width(x: Any) -> Any:
    return ops.gather(ops.shape_of(x), HEIGHT_AND_WIDTH, np.array(0))
