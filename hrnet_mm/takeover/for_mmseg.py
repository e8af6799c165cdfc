"""Our HRNet with mmseg's arguments. Importing this module puts it in the place of mmseg's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmseg.models.backbones import hrnet

from hrnet_mm import models
from hrnet_mm.models.hrmodule import Upsample
from hrnet_mm.takeover.arguments import called_like, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

IN_TWO_STEPS = Upsample('bilinear', align_corners=False, by_powers_of_two=True)


@called_like(hrnet.HRNet)
class HRNet(models.HRNet):
    """HRNet as mmseg calls it: upsampling is bilinear, in two steps. Returns a list.

    ``hrnet_mm.models.HRNet`` resizes to the finer map's size at once. The two differ at image sizes
    that the coarse maps do not divide, and mmseg's published scores come from two steps.
    """

    container = list

    def __init__(self, extra: Mapping[str, Any], multiscale_output: bool, **same: Any) -> None:
        super().__init__(
            extra=keys_read(extra),
            out_indices=outputs(multiscale_output),
            upsample=IN_TWO_STEPS,
            **same,
        )


STAND_INS = (HRNet,)
put_in_place('mmseg', *STAND_INS)
