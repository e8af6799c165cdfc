"""A fused network as a graph of its operations, translated for other frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from inspect import signature
from typing import Any

from torch import fx, nn

from hrnet_mm.deploy.fused.layers import FusedConv, Pool, UpsampleSum
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.models.hrmodule import Upsample

# The method that translates it. Exactly these types: a subclass may compute something else.
METHODS = {FusedConv: 'conv', UpsampleSum: 'upsample_sum', Pool: 'pool', Upsample: 'upsample'}
OF_EVERY_MODULE = set(vars(nn.Module()))
# Mode and ``align_corners`` of PyTorch as ONNX and OpenVINO say them. Each has its own linear mode.
ALIGNED = dict(coordinate_transformation_mode='align_corners')
HALF_PIXEL = dict(coordinate_transformation_mode='half_pixel')
NEAREST = dict(mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor')
RESIZES = {('nearest', None): NEAREST, ('bilinear', False): HALF_PIXEL, ('bilinear', True): ALIGNED}


class _OperationTracer(fx.Tracer):
    """Records the operations of ``hrnet_mm.deploy.fused.layers`` and nothing below them."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return type(module) in METHODS


class Translator(fx.Interpreter):
    """Runs a network's operations on the values of another framework.

    It has one method per operation. A subclass has ``pool`` and either these methods or what those
    here are made of: ``convolution``, ``transposed``, ``add``, ``relu``, ``resize`` and
    ``height_and_width``. ``run(value of the image)`` gives the outputs. The keyword arguments of a
    method are the fields of the operation that it knows; a network with an operation that has
    another field is refused.

    Args:
        network: a fused network.

    Raises:
        NotImplementedError: it has an operation that only PyTorch has, such as a group norm.
    """

    def __init__(self, network: FusedHRNet) -> None:
        graph = _OperationTracer().trace(network)
        traced = fx.GraphModule(network, graph)
        traced.graph.eliminate_dead_code()  # maps that HRNetV1 does not ask for
        super().__init__(traced)
        for node in traced.graph.nodes:
            if node.op in ('call_function', 'call_method'):
                raise NotImplementedError(f'{node.target} has no translation')
            if node.op == 'call_module':
                self._check(self.fetch_attr(node.target))

    def call_module(self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.translated(self.fetch_attr(target), *args, **kwargs)

    def translated(self, operation: Any, *values: Any, **named: Any) -> Any:
        """What an operation gives for the other framework's values."""
        return getattr(self, METHODS[type(operation)])(*values, **named, **fields_of(operation))

    def conv(self, x: Any, add: Any = None, *, conv: nn.Conv2d, norm: None, relu: bool) -> Any:
        transposed = isinstance(conv, nn.ConvTranspose2d)
        y = self.transposed(x, conv) if transposed else self.convolution(x, conv)
        if add is not None:
            y = self.add(y, add)
        return self.relu(y) if relu else y

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
            y = self.add(y, x)
        for doublings, x in enumerate(coarser, start=1):
            y = self.add(y, self.translated(upsample, x, base, doublings))
        return self.relu(y) if relu else y

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
            x = self.resize(x, self.height_and_width(x, 2**doublings), resize)
        return self.resize(x, self.height_and_width(like), resize)

    def _check(self, operation: Any) -> None:
        kind = type(operation).__name__
        if type(operation) not in METHODS:
            raise NotImplementedError(f'{kind} has no translation')
        known = signature(getattr(self, METHODS[type(operation)])).parameters
        unknown = [name for name in fields_of(operation) if name not in known]
        if unknown:
            raise NotImplementedError(f'{kind} with {", ".join(unknown)} has no translation')
        if isinstance(operation, FusedConv) and not operation.is_plain:
            layer = operation.conv if operation.norm is None else operation.norm
            raise NotImplementedError(f'{type(layer).__name__} has no translation')
        if isinstance(operation, UpsampleSum) and operation.upsample is not None:
            self._check(operation.upsample)


def fields_of(operation: Any) -> dict[str, Any]:
    """What decides what an operation computes, by name: layers, tensors and settings."""
    if is_dataclass(operation):
        return {field.name: getattr(operation, field.name) for field in fields(operation)}
    settings = {k: v for k, v in vars(operation).items() if k not in OF_EVERY_MODULE}
    return settings | operation._modules | operation._parameters | operation._buffers
