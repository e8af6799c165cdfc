"""Convolutions of stride 1 for training on a CPU: both passes by the kernels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from hrnet_mm.base.torch_versions import cpu_autocast_dtype, is_compiling
from hrnet_mm.kernels.library import load_library
from hrnet_mm.kernels.tiles import map_form, weight_form


class NativeConv2d(nn.Conv2d):
    """A 3x3 or 1x1 convolution of stride 1: the same parameters and results, computed faster.

    The kernels take channels-last maps on a CPU whose channels fill whole vectors (16 numbers with
    AVX-512). PyTorch's own convolution computes all other maps, and what is traced or compiled.
    Under autocast to bfloat16 the maps are bfloat16, too, and factors are rounded to it or are
    float32, whichever is faster; 1x1 convolutions are then left to PyTorch, whose own are faster.

    The gradients cannot be differentiated again.
    """

    @staticmethod
    def replaces(conv: nn.Module) -> bool:
        """Whether a module is one of those that the kernels can compute."""
        return (
            type(conv) is nn.Conv2d
            and conv.kernel_size in ((1, 1), (3, 3))
            and conv.stride == conv.dilation == (1, 1)
            and conv.padding == (conv.kernel_size[0] // 2,) * 2
            and conv.padding_mode == 'zeros'
            and conv.groups == 1
            and conv.bias is None
            and conv.in_channels % load_library().lanes() == 0
            and conv.out_channels % load_library().lanes() == 0
        )

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        dtype = cpu_autocast_dtype()
        if dtype is not None:
            if (
                dtype != torch.bfloat16
                or self.kernel_size == (1, 1)
                or not load_library().has_bf16()
            ):
                return super()._conv_forward(x, weight, bias)
            x = x.to(dtype)
        if not (fits_kernels(x, dtype or torch.float32) and fits_kernels(weight)):
            return super()._conv_forward(x, weight, bias)
        return Convolution.apply(x, weight)


class Convolution(torch.autograd.Function):
    """(N, C, H, W), (out, C, k, k) -> (N, out, H, W), all channels last.

    Maps are float32 or bfloat16, filters float32.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return convolve(x, weight, weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dy = channels_last(dy)
        needs_dx, needs_dweight = ctx.needs_input_grad
        return (
            convolve(dy, weight, x.shape[1], flipped=True) if needs_dx else None,
            weight_gradient(x, dy, weight) if needs_dweight else None,
        )


def convolve(x: Tensor, weight: Tensor, out_channels: int, flipped: bool = False) -> Tensor:
    """The convolution of a map or, flipped, the map's gradient from that of the output."""
    n, c, h, w = x.shape
    y = torch.empty((n, out_channels, h, w), dtype=x.dtype, memory_format=torch.channels_last)
    is_bf16 = x.dtype == torch.bfloat16
    form = map_form(weight.shape[2], tuple(y.shape), c, is_bf16)
    load_library().convolve(
        form.tile,
        form.is_bf16,
        is_bf16,
        *(n, h, w, c, out_channels),
        flipped,
        *(x.data_ptr(), weight.data_ptr(), y.data_ptr()),
        torch.get_num_threads(),
    )
    return y


def weight_gradient(x: Tensor, dy: Tensor, weight: Tensor) -> Tensor:
    """The gradient of the filters from a map and the gradient of the output."""
    n, c, h, w = x.shape
    dweight = torch.empty_like(weight)
    is_bf16 = x.dtype == torch.bfloat16
    form = weight_form(weight.shape[2], tuple(dy.shape), is_bf16)
    load_library().weight_gradient(
        form.tile,
        form.is_bf16,
        is_bf16,
        *(n, h, w, c, dy.shape[1]),
        *(x.data_ptr(), dy.data_ptr(), dweight.data_ptr()),
        torch.get_num_threads(),
    )
    return dweight


def fits_kernels(x: Tensor, dtype: torch.dtype = torch.float32) -> bool:
    """Whether the kernels can read a map: of that type, on the CPU, dense, channels last."""
    return (
        type(x) in (Tensor, nn.Parameter)
        and x.dtype == dtype
        and x.device.type == 'cpu'
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and not is_compiling()
        and not torch.jit.is_tracing()
    )


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
