"""Our HRNet and V2p neck with mmdet's arguments. Importing this module puts them in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hrnet_mm import models
from hrnet_mm.takeover.arguments import BN, InitCfg, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

XAVIER_INIT = dict(type='Caffe2Xavier', layer='Conv2d')


class HRNet(models.HRNet):
    """HRNet as mmdet calls it: batch norms in eval mode by default. Returns a list."""

    container = list

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] = BN,
        norm_eval: bool = True,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        multiscale_output: bool = True,
        pretrained: str | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            extra=keys_read(extra),
            in_channels=in_channels,
            out_indices=outputs(multiscale_output),
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            zero_init_residual=zero_init_residual,
            pretrained=pretrained,
            init_cfg=init_cfg,
        )


class HRFPN(models.HRNetV2p):
    """HRNetV2p as mmdet calls it: ``norm_cfg`` has no effect, its checkpoints hold no norms."""

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int = 5,
        pooling_type: str = 'AVG',
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        with_cp: bool = False,
        stride: int = 1,
        init_cfg: InitCfg = XAVIER_INIT,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            num_outs=num_outs,
            pooling_type=pooling_type,
            conv_cfg=conv_cfg,
            with_cp=with_cp,
            stride=stride,
            init_cfg=init_cfg,
        )
        if init_cfg is None:
            self.init_cfg = None  # in mmdet that initialises nothing; in ours it is the default


STAND_INS = (HRNet, HRFPN)
put_in_place('mmdet', *STAND_INS)
