"""The fused network run by the package's own kernels on a CPU, compiled on first use.

Every shape of the image has a plan, the list of kernel calls, and all plans share one memory. A
batch of several images may run in pieces, whose maps stay in the caches between two kernels.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary, proxy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.deploy.engines.own_kernels_plan import (
    Planner,
    Shape,
    Step,
    Value,
    assign_memory,
    images_at_once,
    sort_steps,
)
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.table import Engine
from hrnet_mm.kernels.library import Map, Op, load_library, pack

MAX_PLANS = 16  # shapes of pieces of batches that stay planned, those used last
IMAGE, ARENA, OUTPUTS = 0, 1, 2  # buffers of a run; the outputs follow one by one
CACHE_LINE = 64


def build(network: FusedHRNet, image: Tensor, dtype: torch.dtype) -> Engine:
    """The engine for all shapes; the first run of a shape plans it."""
    return NativeEngine(network, dtype)


class NativeEngine:
    """Computes a fused network on a CPU.

    The maps of a plan lie in one piece of memory that is kept from run to run and shared by all
    plans, so that runs in several threads wait for each other. Filters are packed for the forms of
    convolution that the plans use; those that no plan uses any more are dropped with it.

    Args:
        network: a fused network.
        dtype: float32; or bfloat16 for the factors of products, and float32 for all else.

    Raises:
        NotImplementedError: the network has an operation without a kernel, or the kernels have
            no arithmetic of this type, see ``HRNET_MM_INSTRUCTIONS``.
        RuntimeError: the kernels cannot be compiled.
    """

    def __init__(self, network: FusedHRNet, dtype: torch.dtype = torch.float32) -> None:
        self.network = network
        self.kernels = load_library()
        self.dtype = dtype
        if dtype == torch.bfloat16 and not self.kernels.has_bf16():
            raise NotImplementedError('the kernels have no bf16 arithmetic on this CPU')
        self.lanes = self.kernels.lanes()
        self.planner = Planner(network, self.lanes)
        self.weights: WeakValueDictionary[tuple[nn.Conv2d, int], PackedConv] = WeakValueDictionary()
        self.plans: OrderedDict[tuple[int, ...], Plan] = OrderedDict()
        self.arena = torch.empty(0, dtype=torch.float32, device='cpu')  # whatever the default is
        self.lock = threading.Lock()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) float32 -> the network's maps, channels last in memory."""
        image = image.contiguous()  # in another layout, a vector might reach past the image's end
        threads = torch.get_num_threads()
        pieces = image.split(images_at_once(tuple(image.shape), threads))
        with self.lock:
            outputs = self._plan(pieces[0], threads).new_outputs(len(image))
            begin = 0
            for piece in pieces:
                parts = [x[begin : begin + len(piece)] for x in outputs]
                self._plan(piece, threads).run(piece, parts)
                begin += len(piece)
        return tuple(outputs)

    def run_uncached(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image -> maps, as a call gives them; neither the plan nor its filters are kept."""
        return NativeEngine(self.network, self.dtype)(image)

    def __reduce__(self) -> tuple:
        return NativeEngine, (self.network, self.dtype)

    def packed(self, conv: nn.Conv2d, tile: int) -> PackedConv:
        """A convolution's numbers as the kernels read them; the plans share them and keep them."""
        weights = self.weights.get((conv, tile))
        if weights is None:
            weights = self.weights[conv, tile] = PackedConv(
                pack(conv.weight, tile, self.dtype),
                F.pad(conv.bias.float(), (0, -conv.out_channels % self.lanes)).contiguous(),
                self.kernels.panels(conv.out_channels),
            )
        return weights

    def memory(self, floats: int) -> int:
        """The address of that much memory, on a cache line, until the next call."""
        if self.arena.numel() < floats + CACHE_LINE:
            self.arena = self.arena.new_empty(floats + CACHE_LINE)
        return -(-self.arena.data_ptr() // CACHE_LINE) * CACHE_LINE

    def _plan(self, image: Tensor, threads: int) -> Plan:
        key = (*image.shape, threads)
        if key not in self.plans:
            self.plans[key] = Plan(self, tuple(image.shape), threads)
        self.plans.move_to_end(key)
        if len(self.plans) > MAX_PLANS:
            self._drop_oldest_plan()
        return self.plans[key]

    def _drop_oldest_plan(self) -> None:
        self.plans.popitem(last=False)
        if self.arena.numel() > max(plan.floats for plan in self.plans.values()) + CACHE_LINE:
            self.arena = self.arena.new_empty(0)  # it was for the image of a dropped plan


@dataclass
class PackedConv:
    """A convolution as the kernels read it: filters in panels, the bias, and how many panels."""

    filters: Tensor
    bias: Tensor
    num_panels: int


class Plan:
    """The kernel calls for one shape of the image."""

    def __init__(self, engine: NativeEngine, shape: Shape, threads: int) -> None:
        self.engine = proxy(engine)  # in a cycle, both would wait for the garbage collector
        self.threads = threads
        steps, self.outputs = engine.planner.plan(shape)
        steps = sort_steps(steps, threads)
        self.offsets, self.floats = assign_memory(steps, self.outputs, self._floats)
        self.kept_alive: list[Any] = []  # what the structures point to
        self.ops = (Op * len(steps))(*map(self._op, steps))
        ends = [i for i in range(1, len(steps)) if steps[i].level > steps[i - 1].level]
        self.level_ends = (ctypes.c_int32 * (len(ends) + 1))(*ends, len(steps))

    def new_outputs(self, batch: int) -> list[Tensor]:
        """Memory for the network's maps of so many images."""
        return [self._new_map(batch, value) for value in self.outputs]

    def run(self, image: Tensor, outputs: Sequence[Tensor]) -> None:
        """Write the maps of an image of the plan's shape into ``outputs``."""
        addresses = [image.data_ptr(), self.engine.memory(self.floats)]
        addresses += [x.data_ptr() for x in outputs]
        buffers = (ctypes.c_void_p * len(addresses))(*addresses)
        self.engine.kernels.run(
            self.ops, self.level_ends, len(self.level_ends), buffers, self.threads
        )

    def _op(self, step: Step) -> Op:
        source, *others = (self._map(value) for value in step.inputs)
        out = self._map(step.out)
        if step.rows is not None:
            out, *others = (every_other_row(m, step.rows) for m in (out, *others))
        op = Op(step.kind, input=source, output=out, groups=1)
        op.bf16 = self.engine.dtype == torch.bfloat16
        for name, value in step.options.items():
            setattr(op, name, value)
        op.add = self._map(step.add) if step.add else Map(buffer=-1)
        op.maps = self._keep((Map * len(others))(*others))
        blocks = self.engine.kernels.blocks(ctypes.byref(op))
        if step.conv is not None:
            weights = self._keep(self.engine.packed(step.conv, step.tile))
            op.filters, op.bias = weights.filters.data_ptr(), weights.bias.data_ptr()
            # Where pixels are too few for all threads, each takes a part of the channels.
            op.groups = max(1, min(weights.num_panels, self.threads // blocks))
        op.items = blocks * op.groups
        return op

    def _map(self, value: Value) -> Map:
        n, c, h, w = value.shape
        pixel = self._pixel(value)
        strides: Sequence[int] = (h * w * pixel, 1, w * pixel, pixel)
        buffer, offset = ARENA, 0
        if value.producer is None:
            buffer, strides = IMAGE, (c * h * w, h * w, w, 1)
        elif value in self.outputs:
            buffer = OUTPUTS + self.outputs.index(value)
        else:
            offset = self.offsets[value]
        return Map(buffer, n, c, h, w, offset, *strides)

    def _keep(self, target: Any) -> Any:
        self.kept_alive.append(target)
        return target

    def _pixel(self, value: Value) -> int:
        """Floats from pixel to pixel."""
        return -(-value.shape[1] // self.engine.lanes) * self.engine.lanes

    def _floats(self, value: Value) -> int:
        n, _, h, w = value.shape
        return -(-n * h * w * self._pixel(value) // CACHE_LINE) * CACHE_LINE

    def _new_map(self, batch: int, value: Value) -> Tensor:
        _, c, h, w = value.shape
        pixels = self.engine.arena.new_empty(batch, h, w, self._pixel(value))
        return pixels[..., :c].permute(0, 3, 1, 2)


def every_other_row(x: Map, first: int) -> Map:
    """Of a map of even size, two pixels of a row as one with twice the channels."""
    height, width = x.h // 2, x.w // 2
    offset = x.offset + first * x.sh
    return Map(x.buffer, x.n, 2 * x.c, height, width, offset, x.sn, x.sc, 2 * x.sh, 2 * x.sw)
