"""Runs the networks of original and converted weights, to see that both compute the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hrnet_mm.base.difference import relative_difference
from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.convert import Report, convert
from hrnet_mm.weights.layouts import layout_named
from hrnet_mm.weights.peers import LIBRARIES, OUR_LAYOUTS, library_network, our_network
from hrnet_mm.weights.recognise import Naming, StateDict

TOLERANCE = 1e-4  # rounding stays far below it, a wrong name does not
# What of the networks is run, where that is not all.
PARTS = {'backbone': 'the backbone, not the head,', 'det': 'all up to the neck, not the heads,'}


@dataclass(frozen=True)
class Comparison:
    """Two networks on one image: their largest difference, relative to the largest output.

    ``part`` is one of ``PARTS``, or nothing where all of the networks was run.
    """

    reference: str
    other: str
    difference: float
    part: str = ''


@torch.no_grad()
def compare(
    weights: StateDict, converted: StateDict, report: Report, size: int
) -> list[Comparison]:
    """Run the networks of the original and of the converted weights on a random image.

    The original weights run in the library of their layout if there is one and it is installed,
    and otherwise in our network. The converted weights run in our network and in the library of
    the target. Where source and target are of two tasks, and of DEKR and CID, the backbones are
    compared; of detectors all up to the neck.

    Args:
        weights, converted, report: what ``convert`` took and gave.
        size: the image's side, a multiple of 32, as the libraries need it.

    Raises:
        UserError: the size is no multiple of 32, or some of the weights are missing.
    """
    if size < 32 or size % 32:
        raise UserError(f"--verify {size}: the image's side must be a multiple of 32, as 224 is")
    source, target = report.source, report.target
    task = source.layout.task if source.layout.task == target.layout.task else ''
    task = task if task in OUR_LAYOUTS else 'backbone'
    whole = not (source.layout.task or target.layout.task)  # a backbone has no head
    part = '' if whole else PARTS.get(task, '')
    originals = {**_library(task, source, weights), **_ours(task, source, weights)}
    reference, network = next(iter(originals.items()))
    others = {**_ours(task, target, converted), **_library(task, target, converted)}
    channels = weights[f'{source.backbone}conv1.weight'].shape[1]
    image = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0))
    expected = _tensors(network(image))
    return [
        Comparison(reference, other, relative_difference(_tensors(net(image)), expected), part)
        for other, net in others.items()
    ]


def check_equal(comparisons: Sequence[Comparison]) -> None:
    """Make sure that the networks computed the same.

    Raises:
        UserError: they did not.
    """
    for found in comparisons:
        if not found.difference <= TOLERANCE:
            raise UserError(
                f'the weights do not compute the same in {found.other} as in {found.reference}: '
                f'the largest difference is {found.difference:.1e} of the largest output'
            )


def _ours(task: str, naming: Naming, weights: StateDict) -> dict[str, nn.Module]:
    ours, _ = convert(weights, OUR_LAYOUTS[task], naming)
    return {'hrnet_mm': our_network(task, ours)}


def _library(task: str, naming: Naming, weights: StateDict) -> dict[str, nn.Module]:
    layout = 'backbone' if task == 'backbone' else naming.layout.name
    theirs, _ = convert(weights, Naming(layout_named(layout)), naming)
    network = library_network(layout, theirs)
    return {} if network is None else {LIBRARIES[layout][0]: network}


def _tensors(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (output,) if isinstance(output, Tensor) else tuple(output)
