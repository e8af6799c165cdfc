"""From a fused network and an input shape to the list of kernel calls that computes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from hrnet_mm.deploy.fused.layers import Pool
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.fused.translator import Translator
from hrnet_mm.kernels.tiles import best_tile
from hrnet_mm.models.hrmodule import Upsample

Shape = tuple[int, int, int, int]
# Of the images that are computed at once. With more, the maps that one kernel leaves to the next
# get out of the second-level cache: of 256x192, two cores take 2 images. Of bytes they take more.
PIXELS_PER_THREAD = 2**16
UPSAMPLES = {('nearest', None): 0, ('bilinear', False): 1, ('bilinear', True): 2}
# The taps of a transposed convolution of 4 x 4, stride 2, that the pixels 2 i and 2 i + 1 of a row
# have of the pixels i - 1, i and i + 1 before it; 4 stands for none.
TAPS = ((3, 1, 4), (4, 2, 0))
CONV, WINOGRAD, UPSAMPLE_SUM, POOL, RESIZE = 0, {2: 1, 4: 2}, 3, 4, 5


@dataclass(eq=False, repr=False)
class Value:
    """A map of a plan, written by ``producer``; the image has none.

    Its numbers are float32 or, where it has a ``step``, bytes of 0 to 255 times that.
    """

    shape: Shape
    producer: Step | None = None
    step: float = 0

    @property
    def itemsize(self) -> int:
        return 1 if self.step else 4


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
    rows: int | None = None  # 0 or 1: of ``out`` every other row, two pixels of it as one
    level: int = 0

    @property
    def reads(self) -> list[Value]:
        return [*self.inputs, *([] if self.add is None else [self.add])]

    @property
    def is_of_bytes(self) -> bool:
        """Whether it is a convolution that multiplies bytes."""
        return self.conv is not None and self.inputs[0].step > 0

    @property
    def num_filters(self) -> int:
        return 0 if self.conv is None else self.conv.weight.numel()


class Planner(Translator):
    """Lists the steps of a network for a shape of the image.

    Args:
        network: a fused network.
        lanes: a pixel of a map in memory has a multiple of so many channels.
    """

    itemsize = 4  # bytes of a number of most maps

    def __init__(self, network: FusedHRNet, lanes: int = 16) -> None:
        super().__init__(network)
        self.lanes = lanes
        self.halves: dict[nn.ConvTranspose2d, list[nn.Conv2d]] = {}

    def plan(self, shape: Shape) -> tuple[list[Step], list[Value]]:
        """The steps for an image of that shape, in an order that works, and their outputs."""
        self.steps: list[Step] = []
        outputs = self.run(Value(shape))
        return self.steps, list(outputs)

    def conv(
        self, x: Value, add: Value | None = None, *, conv: nn.Conv2d, norm: None, relu: bool
    ) -> Value:
        if isinstance(conv, nn.ConvTranspose2d):
            return self._transposed(x, add, conv, relu)
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

    def _transposed(
        self, x: Value, add: Value | None, conv: nn.ConvTranspose2d, relu: bool
    ) -> Value:
        """As two convolutions: one gives the even rows of the output, one the odd ones.

        Each has two pixels side by side as the channels of one, which is how they lie in memory; a
        sum puts the rows in their places.
        """
        if conv not in self.halves:
            self.halves[conv] = [half_of(conv, row, self.lanes) for row in (0, 1)]
        n, _, h, w = x.shape
        out = Value((n, conv.out_channels, 2 * h, 2 * w))
        added = [] if add is None else [add]
        for row, half in enumerate(self.halves[conv]):
            y = self.conv(x, conv=half, norm=None, relu=False)
            options = dict(num_same=len(added), num_coarser=0, relu=relu)
            step = Step(UPSAMPLE_SUM, [y, *added], out, options=options, rows=row)
            self.steps.append(step)
        out.producer = step
        return out

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


def half_of(conv: nn.ConvTranspose2d, row: int, lanes: int) -> nn.Conv2d:
    """The 3x3 convolution that gives every other row of what a transposed one gives.

    Args:
        conv: of 4 x 4, stride 2 and padding 1: its maps are twice as large.
        row: 0 or 1, the first that it gives.
        lanes: its channels are those of a pixel, filled up to a multiple, and those of the next.

    Raises:
        NotImplementedError: the transposed convolution is another one.
    """
    geometry = conv.kernel_size, conv.stride, conv.padding, conv.output_padding, conv.dilation
    if geometry != ((4, 4), (2, 2), (1, 1), (0, 0), (1, 1)) or conv.groups > 1:
        raise NotImplementedError(f'{conv} has no kernel')
    fill = -conv.out_channels % lanes
    # (out_channels, in_channels, 5, 5), the last tap of each line 0.
    filters = F.pad(conv.weight.transpose(0, 1), (0, 1, 0, 1, 0, 0, 0, fill))
    pixels = [filters[:, :, TAPS[row]][..., TAPS[column]] for column in (0, 1)]
    half = nn.Conv2d(conv.in_channels, 2 * len(filters), 3, padding=1)
    half.weight = nn.Parameter(torch.cat(pixels), requires_grad=False)
    half.bias = nn.Parameter(F.pad(conv.bias, (0, fill)).repeat(2), requires_grad=False)
    return half


def images_at_once(shape: Shape, threads: int, itemsize: int = 4) -> int:
    """Into pieces of how many images, about the same for each, a batch is split.

    Args:
        shape: of the batch.
        threads: which share a piece.
        itemsize: bytes of a number of most maps.
    """
    n, _, h, w = shape
    most = max(1, PIXELS_PER_THREAD * threads * 4 // (h * w * itemsize))
    return math.ceil(n / math.ceil(n / most))


def sort_steps(steps: list[Step], threads: int) -> list[Step]:
    """Sort steps by the level at which they run; those of one level do not wait for each other.

    Several threads share the work of a level, so that parallel branches keep all of them busy even
    on coarse maps; the work items of those with the most filters are longest and come first. One
    thread goes branch by branch, so that what it writes is still in its cache when it reads it.
    """
    if threads == 1:
        for position, step in enumerate(steps):
            step.level = position
        return steps
    for step in steps:
        before = [x.producer.level for x in step.reads if x.producer is not None]
        step.level = 1 + max(before, default=-1)
    return sorted(steps, key=lambda step: (step.level, -step.num_filters))


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
