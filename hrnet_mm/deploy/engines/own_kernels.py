"""The fused network run by the package's own kernels on a CPU, compiled on first use.

Every shape of the image has a plan, the list of kernel calls, and all plans share one memory. A
batch of several images may run in pieces, whose maps stay in the caches between two kernels.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary, proxy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrnet_mm.deploy.engines.own_kernels_int8 import Int8Planner, steps_of_maps
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
from hrnet_mm.kernels.int8 import panels_of_bytes, rounded, tiles_of_item
from hrnet_mm.kernels.library import Map, Op, load_library, pack

MAX_PLANS = 16  # shapes of pieces of batches that stay planned, those used last
IMAGE, ARENA, OUTPUTS = 0, 1, 2  # buffers of a run; the outputs follow one by one
CACHE_LINE = 64
OVER = 4 * CACHE_LINE  # bytes: to begin on a line, and as kernels read whole vectors at the end
ARITHMETIC = {torch.bfloat16: 'bf16', torch.int8: 'int8'}  # that not every CPU has


def build(network: FusedHRNet, image: Tensor, dtype: torch.dtype) -> Engine:
    """The engine for all shapes; the first run of a shape plans it."""
    return NativeEngine(network, dtype)


def build_int8(network: FusedHRNet, image: Tensor, calibration: Iterable[Tensor]) -> Engine:
    """The engine in 8 bits, with the steps that the maps have on the images of ``calibration``."""
    check_arithmetic(torch.int8)
    return NativeEngine(network, torch.int8, steps_of_maps(network, calibration))


def check_arithmetic(dtype: torch.dtype) -> None:
    """Make sure that the kernels compute in a type on this CPU.

    Raises:
        NotImplementedError: they do not, see ``HRNET_MM_INSTRUCTIONS``.
        RuntimeError: the kernels cannot be compiled.
    """
    name = ARITHMETIC.get(dtype)
    if name is not None and not getattr(load_library(), f'has_{name}')():
        raise NotImplementedError(f'the kernels have no {name} arithmetic on this CPU')


class NativeEngine:
    """Computes a fused network on a CPU.

    The maps of a plan lie in one piece of memory that is kept from run to run and shared by all
    plans, so that runs in several threads wait for each other. Filters are packed for the forms of
    convolution that the plans use; those that no plan uses any more are dropped with it.

    Args:
        network: a fused network.
        dtype: float32; bfloat16 for the factors of products, and float32 for all else; or int8, see
            ``hrnet_mm.deploy.engines.own_kernels_int8``.
        steps: for int8, of the maps.

    Raises:
        NotImplementedError: the network has an operation without a kernel, or the kernels have
            no arithmetic of this type, see ``HRNET_MM_INSTRUCTIONS``.
        RuntimeError: the kernels cannot be compiled.
    """

    def __init__(
        self,
        network: FusedHRNet,
        dtype: torch.dtype = torch.float32,
        steps: Mapping[str, float] | None = None,
    ) -> None:
        check_arithmetic(dtype)
        self.network = network
        self.kernels = load_library()
        self.dtype = dtype
        self.steps = steps
        self.lanes = self.kernels.lanes()
        if steps is None:
            self.planner = Planner(network, self.lanes)
        else:
            self.planner = Int8Planner(network, self.lanes, steps)
        self.weights: WeakValueDictionary[tuple[nn.Conv2d, int], PackedConv] = WeakValueDictionary()
        self.plans: OrderedDict[tuple[int, ...], Plan] = OrderedDict()
        self.arena = torch.empty(0, dtype=torch.uint8, device='cpu')  # whatever the default is
        self.lock = threading.Lock()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) float32 -> the network's maps, channels last in memory."""
        image = image.contiguous()  # in another layout, a vector might reach past the image's end
        threads = torch.get_num_threads()
        shape = tuple(image.shape)
        pieces = image.split(images_at_once(shape, threads, self.planner.itemsize))
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
        return NativeEngine(self.network, self.dtype, self.steps)(image)

    def __reduce__(self) -> tuple:
        return NativeEngine, (self.network, self.dtype, self.steps)

    def packed(self, step: Step) -> PackedConv:
        """A convolution's numbers as the kernels read them; the plans share them and keep them."""
        conv, key = step.conv, (step.conv, step.tile)
        weights = self.weights.get(key)
        if weights is None:
            fill = (0, -conv.out_channels % self.lanes)
            bias = F.pad(conv.bias.float(), fill).contiguous()
            if step.is_of_bytes:
                filters = rounded(conv.weight)
                steps = F.pad(filters.steps, fill).contiguous()
                panels = panels_of_bytes(conv.out_channels)
                weights = PackedConv(filters.packed(step.tile), bias, panels, steps)
            else:
                panels = self.kernels.panels(conv.out_channels)
                weights = PackedConv(pack(conv.weight, step.tile, self.dtype), bias, panels)
            self.weights[key] = weights
        return weights

    def memory(self, size: int) -> int:
        """The address of that many bytes, on a cache line, until the next call."""
        if self.arena.numel() < size + OVER:
            self.arena = self.arena.new_empty(size + OVER)
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
        if self.arena.numel() > max(plan.size for plan in self.plans.values()) + OVER:
            self.arena = self.arena.new_empty(0)  # it was for the image of a dropped plan


@dataclass
class PackedConv:
    """A convolution as the kernels read it: filters in panels, the bias, and how many panels.

    Of bytes it also has the step of each output channel's filters.
    """

    filters: Tensor
    bias: Tensor
    num_panels: int
    steps: Tensor | None = None


class Plan:
    """The kernel calls for one shape of the image."""

    def __init__(self, engine: NativeEngine, shape: Shape, threads: int) -> None:
        self.engine = proxy(engine)  # in a cycle, both would wait for the garbage collector
        self.threads = threads
        steps, self.outputs = engine.planner.plan(shape)
        steps = sort_steps(steps, threads)
        self.offsets, self.size = assign_memory(steps, self.outputs, self._size)
        self.kept_alive: list[Any] = []  # what the structures point to
        self.ops = (Op * len(steps))(*map(self._op, steps))
        ends = [i for i in range(1, len(steps)) if steps[i].level > steps[i - 1].level]
        self.level_ends = (ctypes.c_int32 * (len(ends) + 1))(*ends, len(steps))

    def new_outputs(self, batch: int) -> list[Tensor]:
        """Memory for the network's maps of so many images."""
        return [self._new_map(batch, value) for value in self.outputs]

    def run(self, image: Tensor, outputs: Sequence[Tensor]) -> None:
        """Write the maps of an image of the plan's shape into ``outputs``."""
        addresses = [image.data_ptr(), self.engine.memory(self.size)]
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
        if step.is_of_bytes and step.tile:
            op.tiles = tiles_of_item(step.out.shape, self.threads)
        blocks = self.engine.kernels.blocks(ctypes.byref(op))
        if step.conv is not None:
            weights = self._keep(self.engine.packed(step))
            op.filters, op.bias = weights.filters.data_ptr(), weights.bias.data_ptr()
            if weights.steps is not None:
                op.steps = weights.steps.data_ptr()
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
            offset = self.offsets[value] // value.itemsize
        return Map(buffer, n, c, h, w, value.step, offset, *strides)

    def _keep(self, target: Any) -> Any:
        self.kept_alive.append(target)
        return target

    def _pixel(self, value: Value) -> int:
        """Numbers from pixel to pixel."""
        return -(-value.shape[1] // self.engine.lanes) * self.engine.lanes

    def _size(self, value: Value) -> int:
        """Bytes, whole lines of the cache."""
        n, _, h, w = value.shape
        size = n * h * w * self._pixel(value) * value.itemsize
        return -(-size // CACHE_LINE) * CACHE_LINE

    def _new_map(self, batch: int, value: Value) -> Tensor:
        _, c, h, w = value.shape
        size = batch, h, w, self._pixel(value)
        pixels = torch.empty(size, dtype=torch.float32, device='cpu')
        return pixels[..., :c].permute(0, 3, 1, 2)


def every_other_row(x: Map, first: int) -> Map:
    """Of a map of even size, two pixels of a row as one with twice the channels."""
    height, width = x.h // 2, x.w // 2
    offset = x.offset + first * x.sh
    return Map(
        x.buffer, x.n, 2 * x.c, height, width, x.step, offset, x.sn, x.sc, 2 * x.sh, 2 * x.sw
    )
