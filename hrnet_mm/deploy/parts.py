"""The HRNet and the neck in a model, and the model with something else in their place."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hrnet_mm.deploy.fused.necks import can_be_fused
from hrnet_mm.models import HRNet


@dataclass
class Parts:
    """What of a model is optimised.

    Attributes:
        model: as it was given.
        net: its backbone, or the model itself.
        neck: the neck that is optimised with it, or None.
        rest: what the model keeps as its neck, or None.
    """

    model: nn.Module
    net: HRNet
    neck: nn.Module | None
    rest: nn.Module | None

    def run(self, image: Tensor) -> Any:
        """What stands before the rest and the head: image (N, in_channels, H, W) -> maps."""
        maps = self.net(image)
        return maps if self.neck is None else self.neck(maps)

    def replaced_by(self, features: nn.Module) -> nn.Module:
        """A copy of the model with ``features`` as backbone; head and all else are shared."""
        if self.model is self.net:
            return features
        model = copy.copy(self.model)
        model._modules = dict(self.model._modules)
        model.backbone = features
        if self.neck is not None:
            model.neck = self.rest
        return model


def find_parts(model: nn.Module) -> Parts:
    """The parts of an HRNet or of a model whose ``backbone`` is one, in eval mode.

    Raises:
        TypeError: there is no HRNet in it.
        ValueError: it is in training mode.
    """
    net = model if isinstance(model, HRNet) else getattr(model, 'backbone', None)
    if not isinstance(net, HRNet):
        what = f'a {type(model).__name__}'
        if net is not None:
            what += f' with a {type(net).__name__} of {type(net).__module__.split(".")[0]}'
        raise TypeError(
            f'optimize takes an hrnet_mm.HRNet or a model whose backbone is one, not {what}; '
            "hrnet_mm.takeover puts it in the place of a host's own HRNet"
        )
    if any(module.training for module in model.modules()):
        raise ValueError('the model is in training mode; call model.eval() before optimize')
    neck = None if model is net else getattr(model, 'neck', None)
    rest = None
    if isinstance(neck, nn.Sequential) and len(neck) > 0:  # mmpretrain's list of necks
        neck, rest = neck[0], neck[1:]
    return Parts(model, net, neck, rest) if can_be_fused(neck) else Parts(model, net, None, None)
