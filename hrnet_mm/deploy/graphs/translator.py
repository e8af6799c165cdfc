"""A fused network as a graph of its operations, which backends translate."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from hrnet_mm.deploy.layers import FusedConv, Pool, UpsampleSum
from hrnet_mm.deploy.network import FusedHRNet

OPERATIONS = (FusedConv, UpsampleSum, Pool)


class _OperationTracer(fx.Tracer):
    """Records the operations of ``hrnet_mm.deploy.layers`` and nothing below them."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, OPERATIONS)


class Translator(fx.Interpreter):
    """Runs a network's operations on the values of another framework.

    A subclass has one method per operation; ``run(value of the image)`` gives the outputs.

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
                _check(self.fetch_attr(node.target))

    def call_module(self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, FusedConv):
            return self.conv(module, *args, **kwargs)
        if isinstance(module, UpsampleSum):
            return self.upsample_sum(module, *args, **kwargs)
        return self.pool(module, *args, **kwargs)

    def conv(self, module: FusedConv, x: Any, add: Any = None) -> Any:
        raise NotImplementedError

    def upsample_sum(self, module: UpsampleSum, base: Any, same: Any, coarser: Any) -> Any:
        raise NotImplementedError

    def pool(self, module: Pool, x: Any) -> Any:
        raise NotImplementedError


def _check(module: nn.Module) -> None:
    if not isinstance(module, OPERATIONS):
        raise NotImplementedError(f'{type(module).__name__} has no translation')
    if isinstance(module, FusedConv) and not module.is_plain:
        layer = module.conv if module.norm is None else module.norm
        raise NotImplementedError(f'{type(layer).__name__} has no translation')
