"""Our HRNet with mmseg's arguments. Importing this module puts it in the place of mmseg's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hrnet_mm import models
from hrnet_mm.models.hrmodule import ExchangeUnit
from hrnet_mm.takeover.arguments import InitCfg, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

TRAINED_BN = dict(type='BN', requires_grad=True)


class HRNet(models.HRNet):
    """HRNet as mmseg calls it: upsampling is bilinear, in two steps. Returns a list.

    Ours goes to the wanted size at once. The two differ at image sizes that the coarse maps do
    not divide, and mmseg's published scores come from two steps.
    """

    container = list

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] = TRAINED_BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        frozen_stages: int = -1,
        zero_init_residual: bool = False,
        multiscale_output: bool = True,
        pretrained: str | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            extra=keys_read(extra),
            in_channels=in_channels,
            out_indices=outputs(multiscale_output),
            upsample='bilinear',
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            frozen_stages=frozen_stages,
            zero_init_residual=zero_init_residual,
            pretrained=pretrained,
            init_cfg=init_cfg,
        )
        for module in self.modules():
            if isinstance(module, ExchangeUnit):
                module.upsample = replace(module.upsample, by_powers_of_two=True)


STAND_INS = (HRNet,)
put_in_place('mmseg', *STAND_INS)
