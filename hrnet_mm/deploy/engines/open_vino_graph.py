"""A fused network as an OpenVINO model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops
from torch import nn

from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.fused.translator import Translator
from hrnet_mm.models.hrmodule import Upsample

HEIGHT_AND_WIDTH = np.array([2, 3])
ALIGNED = dict(mode='linear_onnx', coordinate_transformation_mode='align_corners')
HALF_PIXEL = dict(mode='linear_onnx', coordinate_transformation_mode='half_pixel')
NEAREST = dict(mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor')
RESIZES = {('nearest', None): NEAREST, ('bilinear', False): HALF_PIXEL, ('bilinear', True): ALIGNED}


def to_openvino(network: FusedHRNet) -> openvino.Model:
    """The model ``image`` (N, C, H, W) -> maps; batch and size free."""
    image = ops.parameter([-1, network.in_channels, -1, -1], np.float32, name='image')
    maps = ToOpenVINO(network).run(image)
    return openvino.Model(list(maps), [image], 'hrnet')


class ToOpenVINO(Translator):
    """Translates node by node."""

    def conv(self, x: Any, add: Any = None, *, conv: nn.Conv2d, norm: None, relu: bool) -> Any:
        if conv.groups > 1:
            raise NotImplementedError(f'{conv} has no translation')
        padding = list(conv.padding)
        filters = conv.weight.float().cpu().numpy()
        y = ops.convolution(x, filters, list(conv.stride), padding, padding, list(conv.dilation))
        y = ops.add(y, conv.bias.float().cpu().reshape(1, -1, 1, 1).numpy())
        if add is not None:
            y = ops.add(y, add)
        return ops.relu(y) if relu else y

    def upsample_sum(
        self,
        base: Any,
        same: Sequence[Any],
        coarser: Sequence[Any],
        *,
        upsample: Upsample | None,
        relu: bool,
    ) -> Any:
        y = base
        for x in same:
            y = ops.add(y, x)
        for doublings, x in enumerate(coarser, start=1):
            y = ops.add(y, self.translated(upsample, x, base, doublings))
        return ops.relu(y) if relu else y

    def upsample(
        self,
        x: Any,
        like: Any,
        doublings: int,
        *,
        mode: str,
        align_corners: bool | None,
        by_powers_of_two: bool,
    ) -> Any:
        resize = RESIZES[mode, align_corners]
        if by_powers_of_two:
            doubled = ops.multiply(_height_and_width(x), np.array(2**doublings))
            x = _resize(x, doubled, resize)
        return _resize(x, _height_and_width(like), resize)

    def pool(self, x: Any, *, average: bool, factor: int) -> Any:
        none = [0, 0]
        # A window may reach over the end of a map, where it sees nothing. Of those that do, only
        # the first one is wanted: OpenVINO has no window that is cut to a smaller map.
        window, over = [factor] * 2, [factor - 1] * 2
        if average:
            y = ops.avg_pool(x, window, none, over, window, exclude_pad=True)
        else:
            y = ops.max_pool(x, window, [1, 1], none, over, window).output(0)
        size = ops.maximum(ops.divide(_height_and_width(x), np.array(factor)), np.array(1))
        return ops.slice(y, np.array(none), size, np.array([1, 1]), HEIGHT_AND_WIDTH)


def _resize(x: Any, size: Any, resize: dict[str, str]) -> Any:
    return ops.interpolate(x, size, shape_calculation_mode='sizes', axes=HEIGHT_AND_WIDTH, **resize)


def _height_and_width(x: Any) -> Any:
    return ops.gather(ops.shape_of(x), HEIGHT_AND_WIDTH, np.array(0))
