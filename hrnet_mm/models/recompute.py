"""Activation checkpointing that leaves the running statistics of batch norms alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed_in_backward(
    module: nn.Module, function: Callable[[Tensor], Tensor], x: Tensor
) -> Tensor:
    """``function(x)``, computed again in the backward pass instead of keeping its activations.

    Args:
        module: holds the norms that ``function`` runs. A plain checkpoint would let them count
            the same batch twice.
        function: a part of the module's forward.
        x: its input.
    """
    if torch.compiler.is_compiling():
        # The compiler takes no context of ours and needs none: it updates a buffer once.
        return checkpoint(function, x, use_reentrant=False)
    return checkpoint(
        function,
        x,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _running_statistics_kept(module)),
    )


@contextmanager
def _running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """While the forward pass is repeated, batch norms add nothing to their statistics."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(num_batches)
