"""``with_cp='norm'`` by the kernels: the backward pass computes the outputs of batch norms again.

A norm keeps its input for its own gradient. With the mean and deviation of the forward pass, one
pass over that input gives the output once more, bit for bit.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm

from hrnet_mm.base.torch_versions import is_compiling
from hrnet_mm.kernels.library import load_library
from hrnet_mm.models.recompute import Recomputation


@dataclass(frozen=True)
class Recipe:
    """What the output of a norm is computed from: ``norm(x) + shortcut``, or ReLU of it.

    Attributes:
        x: (N, C, H, W), channels last in memory; ``shortcut``, a map or its recipe, is alike.
        weight, bias, mean, scale: (C,) of the norm; ``scale`` is the reciprocal deviation.
    """

    x: Tensor
    shortcut: Tensor | Recipe | None
    weight: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor
    relu: bool

    @cached_property
    def map(self) -> Tensor:
        """The output, computed once and held while the backward pass still reads this recipe."""
        shortcut = self.shortcut.map if isinstance(self.shortcut, Recipe) else self.shortcut
        y = torch.empty_like(self.x)
        load_library().norm_apply(
            self.x.dtype == torch.bfloat16,
            *(self.x.numel() // self.x.shape[1], self.x.shape[1], self.relu),
            *(self.x.data_ptr(), None if shortcut is None else shortcut.data_ptr()),
            *(t.data_ptr() for t in (self.weight, self.bias, self.mean, self.scale, y)),
            torch.get_num_threads(),
        )
        return y

    def is_of(self, y: Tensor) -> bool:
        return (y.shape, y.stride(), y.dtype) == (self.x.shape, self.x.stride(), self.x.dtype)


class NormRecorder(saved_tensors_hooks):
    """In a ``with`` block, autograd keeps recipes in place of the outputs of native norms.

    Args:
        last: a norm whose output is kept, because layers behind the block read it.
    """

    def __init__(self, last: nn.Module) -> None:
        super().__init__(self._keep, self._give)
        self.last = last
        self.recipes: dict[int, Recipe] = {}  # of maps that are alive, by their addresses

    def __enter__(self) -> NormRecorder:
        self.token = RECORDER.set(self)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        RECORDER.reset(self.token)

    def add(
        self, y: Tensor, norm: nn.Module, x: Tensor, shortcut: Tensor | None, *rest: Any
    ) -> None:
        """Remember how ``norm`` computed ``y``; ``x`` and all after it are a recipe's fields."""
        if norm is not self.last:
            source = None if shortcut is None else self._keep(shortcut)
            self.recipes[y.data_ptr()] = Recipe(x, source, *rest)
            weakref.finalize(y, self.recipes.pop, y.data_ptr(), None)

    def _keep(self, y: Tensor) -> Tensor | Recipe:
        recipe = self.recipes.get(y.data_ptr())
        return recipe if recipe is not None and recipe.is_of(y) else y

    def _give(self, kept: Tensor | Recipe) -> Tensor:
        return kept.map if isinstance(kept, Recipe) else kept


# The recorder whose block runs now; None outside of all blocks.
RECORDER: ContextVar[NormRecorder | None] = ContextVar('RECORDER', default=None)


class NormRecomputation(Recomputation):
    """``with_cp='norm'`` of a network whose blocks are all native."""

    def run(self, region: str, module: nn.Module, function: Callable[..., Any], *args: Any) -> Any:
        norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
        if is_compiling() or not all(norm.training for norm in norms):
            return super().run(region, module, function, *args)
        if region != 'branch' or not torch.is_grad_enabled():
            return function(*args)
        with NormRecorder(module[-1].last_norm):
            return function(*args)
