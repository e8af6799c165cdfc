"""Which maps and convolutions of a plan are in 8 bits, and the steps of the maps.

A map that a ReLU ends and that only convolutions and sums read is bytes from 0 to 255 times its
step. Terms of a sum, the network's outputs and the image are float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from hrnet_mm.deploy.engines.own_kernels_plan import (
    CONV,
    UPSAMPLE_SUM,
    WINOGRAD,
    Planner,
    Step,
    Value,
)
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.kernels.int8 import LARGEST_NUMBER, rounded, tile_of_bytes

CONVOLUTIONS = (CONV, *WINOGRAD.values())


class Int8Planner(Planner):
    """Lists the steps of a network that computes in 8 bits where that is possible.

    Args:
        network: a fused network.
        lanes: of the kernels.
        steps: of the maps, see :func:`steps_of_maps`.
    """

    itemsize = 1

    def __init__(self, network: FusedHRNet, lanes: int, steps: Mapping[str, float]) -> None:
        super().__init__(network, lanes)
        self.steps_of_maps = steps
        self.largest_sums: dict[nn.Conv2d, int] = {}

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        if node.op == 'call_module':
            self.names[value] = node.name
        return value

    def plan(self, shape: tuple[int, int, int, int]) -> tuple[list[Step], list[Value]]:
        self.names: dict[Value, str] = {}
        steps, outputs = super().plan(shape)
        for value in maps_of_bytes(steps, outputs):
            value.step = self.steps_of_maps[self.names[value]]
        for step in steps:
            if step.is_of_bytes:
                step.tile = self._tile(step)
                step.kind = WINOGRAD[step.tile] if step.tile else CONV
        return steps, outputs

    def _tile(self, step: Step) -> int:
        if [step.options[name] for name in ('kernel', 'stride', 'padding')] != [3, 1, 1]:
            return 0
        conv = step.conv
        if conv not in self.largest_sums:
            self.largest_sums[conv] = rounded(conv.weight).largest_sum()
        return tile_of_bytes(step.out.shape, self.largest_sums[conv])


def maps_of_bytes(steps: Sequence[Step], outputs: Sequence[Value]) -> set[Value]:
    """The maps of a plan that can be bytes, as all that write and read them can."""
    readers: dict[Value, list[Step]] = {}
    for step in steps:
        for value in step.reads:
            readers.setdefault(value, []).append(step)
    found = {step.out for step in steps if step.options.get('relu')} - {*outputs}
    while True:
        kept = {
            value
            for value in found
            if can_write_bytes(value.producer, found)
            and all(can_read_bytes(step, value, found) for step in readers[value])
        }
        if kept == found:
            return found
        found = kept


def can_write_bytes(step: Step, of_bytes: set[Value]) -> bool:
    """Whether a kernel writes bytes: from float32 only a direct convolution and a sum."""
    reads_bytes = step.kind in CONVOLUTIONS and step.inputs[0] in of_bytes
    return step.rows is None and (reads_bytes or step.kind in (CONV, UPSAMPLE_SUM))


def can_read_bytes(step: Step, value: Value, of_bytes: set[Value]) -> bool:
    """Whether a kernel reads bytes: a sum only as its base."""
    if step.kind == UPSAMPLE_SUM:
        return step.rows is None and value not in step.inputs[1:]
    return step.kind in CONVOLUTIONS and step.inputs[0] in of_bytes


class Ranges(Planner):
    """Runs a network on images, and keeps the largest number of every map by the node's name."""

    def __init__(self, network: FusedHRNet) -> None:
        super().__init__(network)
        self.largest: dict[str, float] = {}

    def call_module(self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.fetch_attr(target)(*args, **kwargs)

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        if node.op == 'call_module':
            self.largest[node.name] = max(self.largest.get(node.name, 0), float(value.max()))
        return value


def steps_of_maps(network: FusedHRNet, images: Iterable[Tensor]) -> dict[str, float]:
    """The step of every map by its name in a plan: its largest number on the images is 255."""
    ranges = Ranges(network)
    with torch.no_grad():
        for image in images:
            ranges.run(image)
    return {name: max(x, 0) / LARGEST_NUMBER or 1.0 for name, x in ranges.largest.items()}
