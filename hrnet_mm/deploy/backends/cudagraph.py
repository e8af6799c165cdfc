"""The fused network captured in CUDA graphs, its branches on parallel streams.

At small batches a GPU waits for HRNet's launches: about 300 convolutions, and more than 300 sums
and activations besides. A captured graph is launched at once, and in it the branches, which do not
depend on each other, are parallel paths.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from typing import TypeVar

import torch
from torch import Tensor, nn

from hrnet_mm.benchmark.timing import seconds_of
from hrnet_mm.deploy.backends.table import Engine
from hrnet_mm.deploy.backends.torch_network import TorchNetwork
from hrnet_mm.deploy.layers import FusedConv, UpsampleSum
from hrnet_mm.deploy.parallel import OnStreams
from hrnet_mm.models import HRNet

MAX_SHAPES = 8  # each keeps the memory of a run
WARM_UP_RUNS = 3  # cuDNN chooses its algorithms before the capture
TIMED_RUNS = 20
# More than structures of sums times shapes.
COMPILER_LIMITS = dict(recompile_limit=1024, accumulated_recompile_limit=1024)

Capture = Callable[[TorchNetwork, Tensor], 'Recording']
Candidate = TypeVar('Candidate')


@dataclass(frozen=True)
class Form:
    """Choices in running the network on a GPU that pay or cost by GPU, image and precision.

    Attributes:
        one_call: a convolution with its bias, sum and ReLU is one call of cuDNN.
        compiled_sums: the sum that ends an exchange unit is one kernel, by Triton.
        merge: convolutions on the same tensor become one.
        streams: branches run on parallel streams.
    """

    one_call: bool = False
    compiled_sums: bool = False
    merge: bool = False
    streams: bool = False

    def __str__(self) -> str:
        return ' '.join(name for name, chosen in vars(self).items() if chosen) or 'plain'


def build(net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype) -> Engine:
    """In the form that is measured to be the fastest on ``image``."""
    options = [option.name for option in fields(Form)]
    if find_spec('triton') is None:
        options.remove('compiled_sums')

    def start(form: Form) -> GraphEngine:
        network = network_in_form(form, net, neck, image, dtype)
        unrecorded = uncompiled(network) if form.compiled_sums else network
        return GraphEngine(network, capture, unrecorded, form)

    return fastest(options, start, partial(_seconds, image=image))


def network_in_form(
    form: Form, net: HRNet, neck: nn.Module | None, image: Tensor, dtype: torch.dtype
) -> TorchNetwork:
    """The fused network on the device of ``image``, not captured yet."""
    network = TorchNetwork(net, neck, image, dtype, form.merge)
    if form.streams:
        network.fused.run_branches(OnStreams(image.device))
    for module in network.modules():
        if isinstance(module, FusedConv):
            module.one_call = form.one_call
        elif isinstance(module, UpsampleSum) and form.compiled_sums:
            module.compile(fullgraph=True, dynamic=False)
    return network


def uncompiled(network: TorchNetwork) -> Engine:
    """The network as it is without its compiled parts: for a shape that may not come again."""

    def run(image: Tensor) -> tuple[Tensor, ...]:
        with torch.compiler.set_stance('force_eager'):
            return network(image)

    return run


def fastest(
    options: Iterable[str],
    start: Callable[[Form], Candidate],
    seconds: Callable[[Candidate], float],
) -> Candidate:
    """Begin with the plain form and keep every option that makes it faster, one after another.

    Args:
        options: names of attributes of :class:`Form`.
        start: makes what has a form; where it, or the first run, fails with a RuntimeError, as
            where cuDNN has no such kernel, the form is passed over.
        seconds: measures it.
    """
    form = Form()
    best = start(form)
    least = seconds(best)
    for option in options:
        other = replace(form, **{option: True})
        try:
            candidate = start(other)
            needed = seconds(candidate)
        except RuntimeError:
            continue
        if needed < least:
            form, best, least = other, candidate, needed
    return best


def _seconds(engine: GraphEngine, image: Tensor) -> float:
    engine.record(image)
    with torch.cuda.device(image.device):
        times = [seconds_of(lambda: engine(image), str(image.device)) for _ in range(TIMED_RUNS)]
    return statistics.median(times)


@dataclass
class Recording:
    """Computes ``outputs`` from ``image`` in place when it is replayed."""

    image: Tensor
    outputs: tuple[Tensor, ...]
    replay: Callable[[], None]


class GraphEngine:
    """Replays a recording of the input's shape.

    A shape is recorded when it comes a second time: a recording costs seconds, and a detector may
    never see a shape again. Without one, and beyond ``MAX_SHAPES`` of them, the network runs
    operation by operation.

    Args:
        network: on the device.
        capture: makes a recording.
        unrecorded: runs the network operation by operation.
        form: of the network.
    """

    def __init__(
        self, network: TorchNetwork, capture: Capture, unrecorded: Engine, form: Form
    ) -> None:
        self.network = network
        self.capture = capture
        self.unrecorded = unrecorded
        self.form = form
        self.recordings: dict[torch.Size, Recording] = {}
        self.seen: set[torch.Size] = set()

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps in memory of their own."""
        if image.shape in self.seen and len(self.recordings) < MAX_SHAPES:
            self.record(image)
        self.seen.add(image.shape)
        recording = self.recordings.get(image.shape)
        if recording is None:
            return self.unrecorded(image)
        recording.image.copy_(image)
        recording.replay()
        return tuple(x.clone() for x in recording.outputs)

    def __str__(self) -> str:
        return f'cudagraph ({self.form})'

    def record(self, image: Tensor) -> None:
        """Record the shape of ``image``, if it is not recorded yet."""
        if image.shape not in self.recordings:
            self.recordings[image.shape] = self.capture(self.network, image)


@torch.inference_mode(False)  # else the next image could not be copied to where this one lies
@torch.no_grad()
def capture(network: TorchNetwork, image: Tensor) -> Recording:
    """Record the network on CUDA for the shape of ``image``."""
    image = image.clone()
    cudnn = torch.backends.cudnn
    chosen, cudnn.benchmark = cudnn.benchmark, True
    try:
        with torch.cuda.device(image.device), torch._dynamo.config.patch(COMPILER_LIMITS):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_RUNS):
                    network(image)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # A thread of a data loader may pin memory meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode='thread_local'):
                outputs = network(image)
    finally:
        cudnn.benchmark = chosen
    return Recording(image, outputs, graph.replay)
