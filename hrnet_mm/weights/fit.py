"""Anyone's HRNet weights for a model that is there."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.contents import Weights
from hrnet_mm.weights.convert import Report, convert
from hrnet_mm.weights.names import COUNTER
from hrnet_mm.weights.recognise import networks_in, recognise
from hrnet_mm.weights.width import backbone_of, check_same_width, name_of, stages_of

STEM = 'conv1.weight'


@dataclass(frozen=True)
class Fitted:
    """Weights under a model's names.

    Attributes:
        weights: the state dict; of the keys in ``misfits``, the file's tensors.
        misfits: the keys whose tensors have another shape in the model.
        report: what was renamed; None where the model has no HRNet and nothing was changed.
        arch: the name of the HRNet.
        adapted: the numbers of image channels of file and model, where they differ.
    """

    weights: Weights
    misfits: tuple[str, ...]
    report: Report | None = None
    arch: str = ''
    adapted: tuple[int, int] | None = None


def fit(weights: Weights, model: nn.Module, where: str, adapt: bool = False) -> Fitted:
    """Bring the weights of an HRNet under the names of a model, and check that it is the same one.

    Args:
        weights: a state dict of any known layout.
        model: an HRNet, or a model around one. Any other model takes the weights as they are,
            without the ``module.`` of DataParallel.
        where: the file, for the messages.
        adapt: change the first convolution where the model takes images of other channels.

    Raises:
        UserError: the weights hold no HRNet, several, one of another width or depth, or integers
            where the model has floating-point numbers.
    """
    own = model.state_dict()
    if len(networks_in(own)) != 1:
        weights = copy(weights)
        consume_prefix_in_state_dict_if_present(weights, 'module.')
        _check_numbers(weights, own, where)
        return Fitted(weights, _misfits(weights, own))
    source, target = recognise(weights, where), recognise(own)
    stages = stages_of(backbone_of(weights, source.backbone), where)
    check_same_width(stages, stages_of(backbone_of(own, target.backbone)), where)
    fitted, report = convert(weights, target, source)
    if source != target:  # what the model has no use for, such as maps that nothing reads
        fitted = {key: weight for key, weight in fitted.items() if key in own}
    _check_numbers(fitted, own, where)
    adapted = None
    stem = target.backbone + STEM
    if adapt and stem in fitted and _differ_in_input_only(fitted[stem], own[stem]):
        adapted = (fitted[stem].shape[1], own[stem].shape[1])
        fitted[stem] = adapt_input(fitted[stem], adapted[1])
    return Fitted(fitted, _misfits(fitted, own), report, name_of(stages), adapted)


def adapt_input(weight: Tensor, in_channels: int) -> Tensor:
    """A first convolution for another number of image channels.

    For grey images the channels are summed, so that a grey image gives what it gave as a colour
    image of three equal channels. For more they are repeated and scaled, so that the output keeps
    its size.

    Args:
        weight: (out_channels, m, kH, kW).
        in_channels: n.

    Returns:
        (out_channels, n, kH, kW).
    """
    there = weight.shape[1]
    if in_channels == 1:
        return weight.sum(1, keepdim=True)
    tiled = weight[:, torch.arange(in_channels) % there]
    return tiled * (there / in_channels)


def check_whole(fitted: Fitted, own: Weights, where: str) -> None:
    """Make sure that every weight of a model, whose state dict is ``own``, is there and fits.

    Raises:
        UserError: naming the first that does not, and how many there are.
    """
    if fitted.misfits:
        key = fitted.misfits[0]
        raise UserError(
            f'{where} does not fit the config: size mismatch for {key}, '
            f'{size_of(fitted.weights[key])} in the file and {size_of(own[key])} in the model '
            f'({len(fitted.misfits)} such weights)'
        )
    missing = [key for key in own if key not in fitted.weights and not key.endswith(COUNTER)]
    if missing:
        raise UserError(
            f'{where} does not fit the config: {len(missing)} of {len(own)} weights are missing, '
            f'the first is {missing[0]}'
        )


def size_of(weight: Tensor) -> str:
    """``'17x32x1x1'``, for messages."""
    return 'x'.join(map(str, weight.shape)) or 'one number'


def _check_numbers(weights: Weights, own: Weights, where: str) -> None:
    """Integers would be copied into a float's place without a word."""
    for key, weight in weights.items():
        if key in own and own[key].is_floating_point() and not weight.is_floating_point():
            theirs, ours = (str(x.dtype).removeprefix('torch.') for x in (weight, own[key]))
            raise UserError(
                f'{where} does not fit the config: {key} is of {theirs} there and of {ours} here'
            )


def _misfits(weights: Weights, own: Weights) -> tuple[str, ...]:
    return tuple(
        key for key, weight in weights.items() if key in own and weight.shape != own[key].shape
    )


def _differ_in_input_only(theirs: Tensor, ours: Tensor) -> bool:
    """Whether two convolutions have the same shape but for their input channels."""
    return (
        theirs.dim() == ours.dim() == 4
        and theirs.shape[1] != ours.shape[1]
        and theirs.shape[0] == ours.shape[0]
        and theirs.shape[2:] == ours.shape[2:]
    )
