"""Anyone's HRNet weights for a given model."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.convert import Report, convert, with_version
from hrnet_mm.weights.read import weights_of
from hrnet_mm.weights.recognise import (
    COUNTER,
    StateDict,
    arch_name,
    backbone_of,
    networks_in,
    recognise,
    stages_of,
)


@dataclass(frozen=True)
class Fitted:
    """Weights under a model's names.

    Attributes:
        weights: the state dict. Under the keys in ``misfits`` it holds the file's tensors.
        misfits: the keys whose tensors have another shape in the model.
        report: what was renamed; None where the model has no HRNet and nothing was changed.
        arch: the name of the HRNet, ``'w32'``.
        adapted: the numbers of image channels of file and model, ``(3, 1)``, where the first
            convolution was changed from one to the other.
    """

    weights: StateDict
    misfits: tuple[str, ...]
    report: Report | None = None
    arch: str = ''
    adapted: tuple[int, int] | None = None


def fit(weights: StateDict, model: nn.Module, where: str, adapt: bool = False) -> Fitted:
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
    built = stages_of(backbone_of(own, target.backbone))
    if stages != built:
        raise UserError(
            f'{where}: this is a {arch_name(stages)}, the config builds a {arch_name(built)}'
        )
    fitted, report = convert(weights, target, source)
    if source != target:  # what the model has no use for, such as maps that nothing reads
        needed = {key: weight for key, weight in fitted.items() if key in own}
        fitted = with_version(needed, target)
    _check_numbers(fitted, own, where)
    adapted = None
    stem = f'{target.backbone}conv1.weight'
    if adapt and stem in fitted and _differ_in_input_only(fitted[stem], own[stem]):
        adapted = (fitted[stem].shape[1], own[stem].shape[1])
        fitted[stem] = adapt_input(fitted[stem], adapted[1])
    return Fitted(fitted, _misfits(fitted, own), report, arch_name(stages), adapted)


def fit_whole(weights: StateDict, model: nn.Module, where: str) -> StateDict:
    """The weights of :func:`fit` for a model of which every weight must be there and fit.

    Raises:
        UserError: as :func:`fit`; or naming the first that does not fit, and how many there are.
    """
    fitted = fit(weights, model, where)
    own = model.state_dict()
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
    return fitted.weights


def load_weights(model: nn.Module, checkpoint: dict[str, Any], path: str | Path) -> None:
    """Load a checkpoint's weights into a model, all of whose weights must be there.

    Args:
        model: changed in place.
        checkpoint: what a file holds: anyone's weights of an HRNet (``hrnet_mm.weights``), or
            the model's own.
        path: where it came from, for the messages.

    Raises:
        UserError: there are no weights, some are missing, of another shape, or NaN.
    """
    weights = fit_whole(weights_of(checkpoint, str(path)), model, str(path))
    if broken := [key for key, weight in weights.items() if weight.isnan().any()]:
        raise UserError(f'{path} holds broken weights: {broken[0]} is NaN ({len(broken)} such)')
    # As it is, not as a plain dict: it may carry the versions of the modules that wrote it.
    model.load_state_dict(weights, strict=False)


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


def size_of(weight: Tensor) -> str:
    """``'17x32x1x1'``, for messages."""
    return 'x'.join(map(str, weight.shape)) or 'one number'


def _check_numbers(weights: StateDict, own: StateDict, where: str) -> None:
    """Refuse integers in the place of floating-point numbers: PyTorch would copy them silently."""
    for key, weight in weights.items():
        if key in own and own[key].is_floating_point() and not weight.is_floating_point():
            theirs, ours = (str(x.dtype).removeprefix('torch.') for x in (weight, own[key]))
            raise UserError(
                f'{where} does not fit the config: {key} is of {theirs} there and of {ours} here'
            )


def _misfits(weights: StateDict, own: StateDict) -> tuple[str, ...]:
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
