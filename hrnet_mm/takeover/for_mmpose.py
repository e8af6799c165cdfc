"""Our HRNet with mmpose's arguments. Importing this module puts it in the place of mmpose's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmpose.models.backbones import hrnet

from hrnet_mm import models
from hrnet_mm.takeover.arguments import as_given, called_like, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place


@called_like(hrnet.HRNet)
class HRNet(models.HRNet):
    """HRNet as mmpose calls it.

    The finest map only, unless ``extra['stage4']['multiscale_output']``; ``extra['upsample']``
    chooses the upsampling. Returns a tuple.
    """

    def __init__(self, extra: Mapping[str, Any], init_cfg: Any, **same: Any) -> None:
        super().__init__(
            extra=keys_read(extra, 'upsample'),
            out_indices=outputs(extra['stage4'].get('multiscale_output', False)),
            init_cfg=as_given(init_cfg),
            **same,
        )


STAND_INS = (HRNet,)
put_in_place('mmpose', *STAND_INS)
