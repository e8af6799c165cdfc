"""Whether an exported file computes what the model computes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy.differences import largest_difference, of_odd_size, tolerance
from hrnet_mm.deploy.parts import Parts


def check_same(
    parts: Parts, features: nn.Module, image: Tensor, precision: str, least: int
) -> float:
    """Compare an exported file with the model on the example, and on two images of an odd size.

    Args:
        parts: the network.
        features: the file as a module.
        image: the example, (1, in_channels, H, W).
        precision: of the file.
        least: the shortest side of an image, in pixels.

    Returns:
        The difference of the map that differs most, see ``hrnet_mm.deploy.differences``.

    Raises:
        UserError: it is too large.
    """
    limit = tolerance(precision, image.device)
    largest = 0.0
    odd = of_odd_size(image, least)
    for example in (image, torch.cat([odd, odd.flip(-1)])):
        with torch.no_grad():
            difference = largest_difference(features(example), parts.run(example), precision)
        if not difference <= limit:  # also where it is NaN
            raise UserError(
                f'the exported file differs by {difference:.1e} from the model on images of '
                f'{tuple(example.shape)}, more than {limit:.0e}: nothing was written'
            )
        largest = max(largest, difference)
    return largest
