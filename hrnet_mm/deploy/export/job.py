"""What the modules of the formats are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.parts import Parts

# Image (N, in_channels, H, W) float32 -> maps float32, on the device of the file.
Engine = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Job:
    """A network to write.

    Attributes:
        parts: where it is in its model.
        image: an example of its input, (1, in_channels, H, W).
        precision: see ``hrnet_mm.deploy.export.formats``.
        calibration: images as the network gets them, to choose the steps of int8 by.
        note: JSON for people who open the file; see ``head_file.Description``.
    """

    parts: Parts
    image: Tensor
    precision: str
    calibration: Iterable[Tensor]
    note: str

    def fused(self) -> FusedHRNet:
        return FusedHRNet(self.parts.net, self.parts.neck)
