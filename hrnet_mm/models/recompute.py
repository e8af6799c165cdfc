"""Activation checkpointing: which activations the backward pass computes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from hrnet_mm.base.torch_versions import is_compiling, require_torch

# The values of ``with_cp``, and the region of the network that each computes again at once.
REGIONS = {
    False: None,
    True: 'block',
    'block': 'block',
    'branch': 'branch',
    'module': 'module',
    'norm': 'module',
}
Contexts = tuple[AbstractContextManager, AbstractContextManager]


@dataclass(frozen=True)
class Recomputation:
    """Computes regions of a network again in the backward pass instead of keeping activations.

    Attributes:
        region: ``'block'``, ``'branch'`` or ``'module'``; None: everything is kept.
        keeps_convolutions: the outputs of convolutions are kept, and only what is cheap, norms,
            activations and sums, is computed again.
    """

    region: str | None = None
    keeps_convolutions: bool = False

    @classmethod
    def of(cls, with_cp: bool | str) -> Recomputation:
        """From the argument ``with_cp`` of a backbone.

        Raises:
            ValueError: it is none of ``REGIONS``.
            UserError: it needs a newer PyTorch.
        """
        if not isinstance(with_cp, bool | str) or with_cp not in REGIONS:
            raise ValueError(f'with_cp={with_cp!r} must be one of {", ".join(map(repr, REGIONS))}')
        if with_cp == 'norm':
            require_torch('2.5', "with_cp='norm'")
        return cls(REGIONS[with_cp], keeps_convolutions=with_cp == 'norm')

    def by_blocks(self) -> Recomputation:
        """The same for layer1, whose maps are the largest: block by block, if at all."""
        return self if self.region is None else replace(self, region='block')

    def run(self, region: str, module: nn.Module, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, a part of the forward pass of ``module``, which is a ``region``."""
        if region != self.region or not torch.is_grad_enabled():
            return function(*args)
        return recomputed_in_backward(module, function, *args, keep=self.keeps_convolutions)


KEEP_ALL = Recomputation()


def recomputed_in_backward(
    module: nn.Module, function: Callable[..., Any], *args: Any, keep: bool = False
) -> Any:
    """``function(*args)``, computed again in the backward pass instead of keeping its activations.

    Args:
        module: holds the norms that ``function`` runs. A plain checkpoint would let them count
            the same batch twice.
        function: a part of the module's forward.
        args: its inputs.
        keep: whether to keep the outputs of convolutions, so that none is computed twice.
    """
    # No layer of an HRNet draws random numbers.
    options: dict[str, Any] = dict(use_reentrant=False, preserve_rng_state=False)
    if not is_compiling():
        options['context_fn'] = partial(_leave_statistics, module, keep)
    elif keep:
        # The compiler takes no context of ours and needs none: it updates a buffer once.
        options['context_fn'] = _keep_convolutions
    return checkpoint(function, *args, **options)


def _keep_convolutions() -> Contexts:
    # Here, as PyTorch before 2.5 has none.
    from torch.utils.checkpoint import create_selective_checkpoint_contexts

    return create_selective_checkpoint_contexts([torch.ops.aten.convolution.default])


def _leave_statistics(module: nn.Module, keep: bool) -> Contexts:
    """Contexts of the forward pass and of its repetition, which leaves running statistics alone."""
    forward, again = _keep_convolutions() if keep else (nullcontext(), nullcontext())
    return forward, _repetition(module, again)


@contextmanager
def _repetition(module: nn.Module, context: AbstractContextManager) -> Iterator[None]:
    """The context of the repeated forward pass, in which norms keep their running statistics."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        with context:
            yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(num_batches)
