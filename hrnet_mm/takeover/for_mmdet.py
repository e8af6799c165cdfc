"""Our HRNet and V2p neck with mmdet's arguments. Importing this module puts them in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet.models.backbones import hrnet
from mmdet.models.necks import hrfpn

from hrnet_mm import models
from hrnet_mm.takeover.arguments import called_like, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place


@called_like(hrnet.HRNet)
class HRNet(models.HRNet):
    """HRNet as mmdet calls it: batch norms in eval mode by default. Returns a list."""

    container = list

    def __init__(self, extra: Mapping[str, Any], multiscale_output: bool, **same: Any) -> None:
        super().__init__(extra=keys_read(extra), out_indices=outputs(multiscale_output), **same)


@called_like(hrfpn.HRFPN)
class HRFPN(models.HRNetV2p):
    """HRNetV2p as mmdet calls it: ``norm_cfg`` has no effect, its checkpoints hold no norms."""

    def __init__(self, norm_cfg: Any, init_cfg: Any, **same: Any) -> None:
        super().__init__(init_cfg=init_cfg, **same)
        if init_cfg is None:
            self.init_cfg = None  # in mmdet that initialises nothing; in ours it is the default


STAND_INS = (HRNet, HRFPN)
put_in_place('mmdet', *STAND_INS)
