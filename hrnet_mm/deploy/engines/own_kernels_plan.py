"""From a fused network and an input shape to the list of kernel calls that computes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from torch import nn

from hrnet_mm.deploy.fused.layers import Pool
from hrnet_mm.deploy.fused.translator import Translator
from hrnet_mm.kernels.tiles import best_tile
from hrnet_mm.models.hrmodule import Upsample

Shape = tuple[int, int, int, int]
LARGE_MAP = 2**16  # numbers of one image: a quarter of a usual second-level cache
UPSAMPLES = {('nearest', None): 0, ('bilinear', False): 1, ('bilinear', True): 2}
CONV, WINOGRAD, UPSAMPLE_SUM, POOL, RESIZE = 0, {2: 1, 4: 2}, 3, 4, 5


@dataclass(eq=False, repr=False)
class Value:
    """A map of a plan, written by ``producer``; the image has none."""

    shape: Shape
    producer: Step | None = None


@dataclass(eq=False, repr=False)
class Step:
    """One kernel call. ``options`` are fields of the kernels' ``Op`` by name."""

    kind: int
    inputs: Sequence[Value]
    out: Value
    add: Value | None = None
    conv: nn.Conv2d | None = None
    tile: int = 0
    options: dict[str, int] = field(default_factory=dict)
    image: int | None = None  # the one image of the batch that it computes; None: all
    level: int = 0

    @property
    def reads(self) -> list[Value]:
        return [*self.inputs, *([] if self.add is None else [self.add])]

    @property
    def num_filters(self) -> int:
        return 0 if self.conv is None else self.conv.weight.numel()


class Planner(Translator):
    """Lists the steps of a network for a shape of the image."""

    def plan(self, shape: Shape) -> tuple[list[Step], list[Value]]:
        """The steps for an image of that shape, in an order that works, and their outputs."""
        self.steps: list[Step] = []
        outputs = self.run(Value(shape))
        return self.steps, list(outputs)

    def conv(
        self, x: Value, add: Value | None = None, *, conv: nn.Conv2d, norm: None, relu: bool
    ) -> Value:
        if conv.dilation != (1, 1) or conv.groups > 1 or len({*conv.kernel_size}) > 1:
            raise NotImplementedError(f'{conv} has no kernel')
        (kernel, _), (stride, _), (padding, _) = conv.kernel_size, conv.stride, conv.padding
        n, _, h, w = x.shape
        h, w = ((size + 2 * padding - kernel) // stride + 1 for size in (h, w))
        shape = (n, conv.out_channels, h, w)
        is_winograd = (kernel, stride, padding) == (3, 1, 1) and x.producer is not None
        tile = best_tile(shape, conv.in_channels) if is_winograd else 0
        options = dict(kernel=kernel, stride=stride, padding=padding, relu=relu)
        kind = WINOGRAD[tile] if tile else CONV
        return self._step(kind, [x], shape, options, add=add, conv=conv, tile=tile)

    def upsample_sum(
        self,
        base: Value,
        same: list[Value],
        coarser: list[Value],
        *,
        upsample: Upsample | None,
        relu: bool,
    ) -> Value:
        options = dict(num_same=len(same), num_coarser=len(coarser), relu=relu)
        if coarser:
            options['upsample'] = UPSAMPLES[upsample.mode, upsample.align_corners]
            coarser = [self.translated(upsample, x, base, i) for i, x in enumerate(coarser, 1)]
        return self._step(UPSAMPLE_SUM, [base, *same, *coarser], base.shape, options)

    def upsample(
        self,
        x: Value,
        like: Value,
        doublings: int,
        *,
        mode: str,
        align_corners: bool | None,
        by_powers_of_two: bool,
    ) -> Value:
        """The map that the kernel of the sum resizes."""
        n, c, h, w = x.shape
        doubled = (n, c, h * 2**doublings, w * 2**doublings)
        if not by_powers_of_two or doubled[2:] == like.shape[2:]:
            return x
        return self._step(RESIZE, [x], doubled, dict(upsample=UPSAMPLES[mode, align_corners]))

    def pool(self, x: Value, *, average: bool, factor: int) -> Value:
        n, c, *size = x.shape
        window = Pool(average, factor).window(*size)
        h, w = ((s - k) // factor + 1 for s, k in zip(size, window, strict=True))
        options = dict(stride=factor, average=average)
        options |= dict(window_h=window[0], window_w=window[1])
        return self._step(POOL, [x], (n, c, h, w), options)

    def _step(self, kind: int, inputs: list[Value], shape: Shape, options: dict, **fields) -> Value:
        out = Value(shape)
        out.producer = Step(kind, inputs, out, options=options, **fields)
        self.steps.append(out.producer)
        return out


def sort_steps(steps: list[Step], threads: int) -> list[Step]:
    """Sort steps by the level at which they run; those of one level do not wait for each other.

    Several threads share the work of a level, so that parallel branches keep all of them busy even
    on coarse maps; the work items of those with the most filters are longest and come first. One
    thread goes branch by branch, and on large maps image by image, so that what it writes is
    still in its cache when it reads it.
    """
    if threads == 1:
        steps = image_by_image(steps)
        for position, step in enumerate(steps):
            step.level = position
        return steps
    for step in steps:
        before = [x.producer.level for x in step.reads if x.producer is not None]
        step.level = 1 + max(before, default=-1)
    return sorted(steps, key=lambda step: (step.level, -step.num_filters))


def image_by_image(steps: list[Step]) -> list[Step]:
    """The steps, those on large maps in a row for one image of the batch after the other."""
    result: list[Step] = []
    for large, run in groupby(steps, key=lambda step: math.prod(step.out.shape[1:]) > LARGE_MAP):
        run = list(run)
        images = range(run[0].out.shape[0]) if large else [None]
        result += [replace(step, image=image) for image in images for step in run]
    return result


def assign_memory(
    steps: Sequence[Step], elsewhere: Sequence[Value], size: Callable[[Value], int]
) -> tuple[dict[Value, int], int]:
    """Find a place for every map in one piece of memory, which maps use one after the other.

    A map takes the first gap that holds no map that is still to be read.

    Args:
        steps: sorted by level.
        elsewhere: maps that have memory of their own, such as the outputs.
        size: gives the size of a map.

    Returns:
        The offset of each map, and the size of the memory.
    """
    last_read = {x: step.level for step in steps for x in step.reads}
    offsets: dict[Value, int] = {}
    taken: list[tuple[int, int, int]] = []  # begin, end and level of the last read
    total = 0
    for step in steps:
        if step.out in elsewhere or step.out in offsets:
            continue
        taken = sorted(block for block in taken if block[2] >= step.level)
        begin = 0
        for taken_begin, taken_end, _ in taken:
            if begin + size(step.out) <= taken_begin:
                break
            begin = max(begin, taken_end)
        taken.append((begin, begin + size(step.out), last_read[step.out]))
        offsets[step.out] = begin
        total = max(total, begin + size(step.out))
    return offsets, total
