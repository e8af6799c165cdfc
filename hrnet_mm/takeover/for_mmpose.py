"""Our HRNet with mmpose's arguments. Importing this module puts it in the place of mmpose's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hrnet_mm import models
from hrnet_mm.takeover.arguments import BN, InitCfg, as_given, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

NORMAL_INIT = [
    dict(type='Normal', std=0.001, layer=['Conv2d']),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]


class HRNet(models.HRNet):
    """HRNet as mmpose calls it.

    The finest map only, unless ``extra['stage4']['multiscale_output']``; ``extra['upsample']``
    chooses the upsampling. Returns a tuple.
    """

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] = BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        frozen_stages: int = -1,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(
            extra=keys_read(extra, 'upsample'),
            in_channels=in_channels,
            out_indices=outputs(extra['stage4'].get('multiscale_output', False)),
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            zero_init_residual=zero_init_residual,
            frozen_stages=frozen_stages,
            init_cfg=as_given(init_cfg),
        )


STAND_INS = (HRNet,)
put_in_place('mmpose', *STAND_INS)
