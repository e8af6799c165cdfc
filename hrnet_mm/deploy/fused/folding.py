"""Batch norms folded into the convolutions before them."""

from __future__ import annotations

import copy

import mmcv.cnn
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hrnet_mm.kernels.batch_norm import NativeBatchNorm2d
from hrnet_mm.kernels.convolution import NativeConv2d

# mmcv's own Conv2d differs only for empty tensors, on torch before 1.5; ours only in speed.
PLAIN_CONVOLUTIONS = (nn.Conv2d, mmcv.cnn.Conv2d, NativeConv2d, nn.ConvTranspose2d)
# In eval mode all of them compute the same. Subclasses are known by what they run: MMEngine's
# replacement of SyncBN has a name of its own and no forward.
BATCH_NORMS = {norm.forward for norm in (_BatchNorm, nn.SyncBatchNorm, NativeBatchNorm2d)}


def is_plain(conv: nn.Module) -> bool:
    """Whether a convolution is zero-padded, transposed or not, and not one of ``conv_cfg``."""
    return (
        type(conv) in PLAIN_CONVOLUTIONS and conv.padding_mode == 'zeros' and not _is_changed(conv)
    )


def is_foldable(norm: nn.Module) -> bool:
    """Whether a norm is a batch norm that uses its running statistics in eval mode."""
    return (
        isinstance(norm, _BatchNorm)
        and type(norm).forward in BATCH_NORMS
        and norm.running_mean is not None
        and not _is_changed(norm)
    )


def _is_changed(layer: nn.Module) -> bool:
    """Whether something was put around a layer's forward, as by a weight norm or a user's hook."""
    return bool(layer._forward_pre_hooks or layer._forward_hooks or 'forward' in vars(layer))


def fold(conv: nn.Module, norm: nn.Module | None) -> tuple[nn.Module, nn.Module | None]:
    """A convolution and its norm as one convolution with a bias, where that is possible.

    Exact: in eval mode a batch norm is an affine function of each channel, with constants::

        norm(y) = g * (y - mean) + b,   g = weight / sqrt(var + eps)

    and the convolution is linear in its filters, so that ``norm(W * x + c)`` is
    ``(g W) * x + (g (c - mean) + b)``. The constants are computed in float64 and rounded once.
    A group norm depends on the input and stays, and so does a convolution that is not plain.

    Args:
        conv: left as it is; what is returned shares no tensor with it when it is folded.
        norm: the norm after it, or None.

    Returns:
        The convolution, and the norm that is still to be applied or None.
    """
    if not is_plain(conv) or not (norm is None or is_foldable(norm)):
        return conv, norm
    weight = conv.weight.double()
    bias = weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.double()
    if norm is not None:
        scale = torch.rsqrt(norm.running_var.double() + norm.eps)
        if norm.affine:
            scale = scale * norm.weight.double()
        transposed = isinstance(conv, nn.ConvTranspose2d)
        weight = weight * scale.reshape((1, -1, 1, 1) if transposed else (-1, 1, 1, 1))
        bias = (bias - norm.running_mean.double()) * scale
        if norm.affine:
            bias = bias + norm.bias.double()
    return convolution_like(conv, weight, bias), None


def own_copy(layer: nn.Module) -> nn.Module:
    """A layer that shares no tensor with another, for what stays as it is."""
    # Such as the weight that a hook of weight norm makes, which deepcopy refuses.
    plain = {id(x): x.detach().clone() for x in vars(layer).values() if isinstance(x, Tensor)}
    return copy.deepcopy(layer, plain)


def convolution_like(conv: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    """A convolution of the same geometry, kind and device with other filters and a bias.

    Args:
        conv: gives kernel size, stride, padding, dilation and groups; of one group if transposed.
        weight: (out_channels, in_channels / groups, kernel height, kernel width); transposed
            (in_channels, out_channels, ...).
        bias: (out_channels,).
    """
    geometry = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
    with torch.device('meta'):  # the filters are assigned below
        if isinstance(conv, nn.ConvTranspose2d):
            like = nn.ConvTranspose2d(*weight.shape[:2], conv.kernel_size, **geometry)
        else:
            channels = weight.shape[1] * conv.groups, weight.shape[0]
            like = nn.Conv2d(*channels, conv.kernel_size, groups=conv.groups, **geometry)
    like.weight = nn.Parameter(weight.detach().to(conv.weight), requires_grad=False)
    like.bias = nn.Parameter(bias.detach().to(conv.weight), requires_grad=False)
    return like.eval()
