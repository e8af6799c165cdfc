"""How the parallel branches of a network are run: in turn, or each on its own stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

Run = Callable[[Iterable[Callable[[Any], Any]], Sequence[Any]], list[Any]]


def in_turn(functions: Iterable[Callable[[Any], Any]], inputs: Sequence[Any]) -> list[Any]:
    """``[f(x) for each function and its input]``, one after another."""
    return [function(x) for function, x in zip(functions, inputs, strict=True)]


class OnStreams:
    """The same with function i on stream i of a device; work queued before and after waits.

    Captured in a CUDA graph, the streams become parallel paths of the graph.

    Memory: a tensor lives in the pool of the stream that made it. The inputs are held by the
    caller until all streams are joined, and a stream starts only after all work queued before,
    so that no memory is given to new work while another stream still reads it.

    Args:
        device: of the streams. On a CPU streams do nothing, and the result is the same.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.module = torch.get_device_module(device)
        self.streams: list[Any] = []

    def __call__(
        self, functions: Iterable[Callable[[Any], Any]], inputs: Sequence[Any]
    ) -> list[Any]:
        main = self.module.current_stream(self.device)
        while len(self.streams) < len(inputs) - 1:
            self.streams.append(self.module.Stream(self.device))
        outputs = []
        # The first function, the longest as its maps are finest, stays on the stream at hand.
        streams = [main, *self.streams[: len(inputs) - 1]]
        for stream in streams[1:]:
            stream.wait_stream(main)
        for function, x, stream in zip(functions, inputs, streams, strict=True):
            with self.module.stream(stream):
                outputs.append(function(x))
        for stream in streams[1:]:
            main.wait_stream(stream)
        return outputs
