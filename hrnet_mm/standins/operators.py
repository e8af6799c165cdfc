"""What mmcv asks of its compiled module ``mmcv._ext``, in PyTorch, under the same names.

As there, an operator writes into the tensors that it is given for its results. The operators that
HRNet's models call are here; any other name exists, as mmcv looks for all of them when it is
imported, and raises one sentence when it is called. Half precision is computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hrnet_mm.standins import deformable, roi_align
from hrnet_mm.standins.deformable import Geometry
from hrnet_mm.standins.roi_align import Pooling
from hrnet_mm.standins.suppression import as_floats, nms, nms_match, softnms

__all__ = ['nms', 'nms_match', 'softnms']
SMALLEST = torch.finfo(torch.float32).tiny  # whose logarithm stands for that of 0


def __getattr__(name: str) -> Callable:
    """Any other operator of mmcv, e.g. ``ball_query_forward``: it raises when it is called."""
    if name.startswith('__'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def absent(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            f"mmcv's operator {name} needs mmcv with compiled operators (docs/install.md): "
            'mmcv has none here, and hrnet_mm stands in only for those that HRNet models use'
        )

    return absent


def get_compiler_version() -> str:
    return f'none (hrnet_mm stands in with PyTorch {torch.__version__})'


def get_compiling_cuda_version() -> str:
    return 'not available'


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    pooling = Pooling(aligned_height, aligned_width, spatial_scale, sampling_ratio, aligned)
    roi_align.forward(input, rois, output, argmax_y, argmax_x, pool_mode, pooling)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    pooling = Pooling(aligned_height, aligned_width, spatial_scale, sampling_ratio, aligned)
    roi_align.backward(grad_output, rois, argmax_y, argmax_x, grad_input, pool_mode, pooling)


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Of (N, C) logits and (N,) classes, of which C is the background: (N, C) losses."""
    p = as_floats(input).sigmoid()
    positive = alpha * (1 - p) ** gamma * p.clamp(min=SMALLEST).log()
    negative = (1 - alpha) * p**gamma * (1 - p).clamp(min=SMALLEST).log()
    write_focal(output, positive, negative, target, weight)


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    p = as_floats(input).sigmoid()
    log_p, log_rest = p.clamp(min=SMALLEST).log(), (1 - p).clamp(min=SMALLEST).log()
    positive = alpha * (1 - p) ** gamma * (1 - p - gamma * p * log_p)
    negative = (1 - alpha) * p**gamma * (gamma * (1 - p) * log_rest - p)
    write_focal(grad_input, positive, negative, target, weight)


def write_focal(
    result: Tensor, positive: Tensor, negative: Tensor, target: Tensor, weight: Tensor
) -> None:
    """Minus the positive term in the column of the class, minus the negative term in the others."""
    is_class = target[:, None] == torch.arange(positive.shape[1], device=target.device)
    values = -torch.where(is_class, positive, negative)
    if weight.numel():
        values = values * weight[target][:, None]
    result.copy_(values)


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Of (N, C) probabilities and (N,) classes, of which a negative one counts nothing: (N,)."""
    p = probability_of_class(input, target)
    loss = -alpha * (1 - p) ** gamma * p.clamp(min=SMALLEST).log()
    output.copy_(loss * weights_of(target, weight, loss))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    p = probability_of_class(input, target)
    rest = 1 - p
    slope = gamma * rest ** (gamma - 1) * p * p.clamp(min=SMALLEST).log() - rest**gamma
    buff.copy_(alpha * slope * weights_of(target, weight, p))
    is_class = target[:, None] == torch.arange(input.shape[1], device=target.device)
    grad_input.copy_(buff[:, None] * (is_class.to(input.dtype) - input))


def probability_of_class(probabilities: Tensor, target: Tensor) -> Tensor:
    return as_floats(probabilities).gather(1, target.clamp(min=0)[:, None])[:, 0]


def weights_of(target: Tensor, weight: Tensor, like: Tensor) -> Tensor:
    weights = weight[target.clamp(min=0)] if weight.numel() else torch.ones_like(like)
    return weights * (target >= 0)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    im2col_step: int,
    **geometry: int,
) -> None:
    deformable.convolve_images((input, offset, None, weight, None), output, geometry_of(**geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    im2col_step: int,
    **geometry: int,
) -> None:
    tensors = (input, offset, None, weight, None)
    results = (gradInput, gradOffset, None, None, None)
    deformable.add_gradients(gradOutput, tensors, results, geometry_of(**geometry))


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    im2col_step: int,
    **geometry: int,
) -> None:
    # The output is linear in the weight: its gradient is the same for any.
    tensors = (input, offset, None, torch.zeros_like(gradWeight), None)
    results = (None, None, None, gradWeight, None)
    deformable.add_gradients(gradOutput * scale, tensors, results, geometry_of(**geometry))


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    tensors = (input, offset, mask, weight, bias if with_bias else None)
    deformable.convolve_images(tensors, output, modulated_geometry_of(**geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    tensors = (input, offset, mask, weight, bias if with_bias else None)
    results = (grad_input, grad_offset, grad_mask, grad_weight, grad_bias if with_bias else None)
    deformable.add_gradients(grad_output, tensors, results, modulated_geometry_of(**geometry))


def geometry_of(
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
) -> Geometry:
    return Geometry((dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group)


def modulated_geometry_of(
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
) -> Geometry:
    pairs = (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w)
    return Geometry(*pairs, group, deformable_group)
