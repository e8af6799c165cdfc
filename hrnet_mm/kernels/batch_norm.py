"""Batch norm for training on a CPU, with the sum and the ReLU that follow it in a block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from hrnet_mm.kernels.convolution import channels_last, fits_kernels
from hrnet_mm.kernels.library import load_library
from hrnet_mm.kernels.recompute import RECORDER


class NativeBatchNorm2d(nn.BatchNorm2d):
    """A batch norm of the same parameters, statistics and results, faster in training.

    The kernels take the maps that :class:`NativeConv2d` takes; PyTorch's own batch norm computes
    all others. The gradients cannot be differentiated again.
    """

    @staticmethod
    def replaces(norm: nn.Module) -> bool:
        """Whether a module is one of those that the kernels can compute."""
        return (
            type(norm) is nn.BatchNorm2d
            and norm.affine
            and norm.track_running_stats
            and norm.momentum is not None
            and norm.num_features % load_library().lanes() == 0
        )

    def forward(self, x: Tensor, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
        """``norm(x) + shortcut``, or ReLU of it: maps (N, C, H, W)."""
        can_add = shortcut is None or fits_kernels(shortcut, x.dtype)
        if self.training and self._fits(x) and can_add:
            self.num_batches_tracked.add_(1)
            return BatchNorm.apply(x, shortcut, self.weight, self.bias, self, relu)
        y = super().forward(x)
        if shortcut is not None:
            y = y + shortcut
        return F.relu(y) if relu else y

    def _fits(self, x: Tensor) -> bool:
        has_type = x.dtype == torch.float32 or (
            x.dtype == torch.bfloat16 and load_library().has_bf16()
        )
        has_variance = x.numel() > x.shape[1]
        own_type = self.weight.dtype == self.running_mean.dtype == torch.float32
        return has_type and own_type and has_variance and fits_kernels(x, x.dtype)


class BatchNorm(torch.autograd.Function):
    """``norm(x) + shortcut`` or ReLU of it; the forward pass updates the running statistics."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        shortcut: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        norm: nn.BatchNorm2d,
        relu: bool,
    ) -> Tensor:
        y = torch.empty_like(x)
        mean, scale = torch.empty(2, x.shape[1], dtype=torch.float32, device='cpu')
        load_library().norm_forward(
            x.dtype == torch.bfloat16,
            *(x.numel() // x.shape[1], x.shape[1], relu, norm.eps, norm.momentum),
            *(x.data_ptr(), None if shortcut is None else shortcut.data_ptr()),
            *(weight.data_ptr(), bias.data_ptr()),
            *(norm.running_mean.data_ptr(), norm.running_var.data_ptr()),
            *(mean.data_ptr(), scale.data_ptr(), y.data_ptr()),
            torch.get_num_threads(),
        )
        recorder = RECORDER.get()
        if recorder is not None:
            recorder.add(y, norm, x, shortcut, weight, bias, mean, scale, relu)
        ctx.save_for_backward(x, y if relu else None, weight, mean, scale)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, y, weight, mean, scale = ctx.saved_tensors
        dy = channels_last(dy)
        dx, dweight, dbias = (torch.empty_like(t) for t in (x, weight, weight))
        # Without ReLU the gradient of the sum is that of the shortcut.
        dshortcut = torch.empty_like(x) if ctx.needs_input_grad[1] and y is not None else None
        load_library().norm_backward(
            x.dtype == torch.bfloat16,
            *(x.numel() // x.shape[1], x.shape[1]),
            *(dy.data_ptr(), x.data_ptr(), None if y is None else y.data_ptr()),
            *(weight.data_ptr(), mean.data_ptr(), scale.data_ptr(), dx.data_ptr()),
            None if dshortcut is None else dshortcut.data_ptr(),
            *(dweight.data_ptr(), dbias.data_ptr()),
            torch.get_num_threads(),
        )
        if ctx.needs_input_grad[1] and dshortcut is None:
            dshortcut = dy
        return dx, dshortcut, dweight, dbias, None, None
