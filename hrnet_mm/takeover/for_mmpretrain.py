"""Our HRNet and its head with mmpretrain's arguments. Importing this module puts them in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from hrnet_mm import models
from hrnet_mm.models.archs import stages_from_arch, stages_from_extra
from hrnet_mm.models.blocks import ResidualChain
from hrnet_mm.models.hrnet import DEFAULT_INIT, STEM_CHANNELS
from hrnet_mm.models.layers import LayerFactory
from hrnet_mm.models.necks import CLS_CHANNELS
from hrnet_mm.takeover.arguments import BN, InitCfg, as_given, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

BN_WITH_MOMENTUM = dict(type='BN', momentum=0.1)
LINEAR_INIT = dict(type='Normal', layer='Linear', std=0.01)

# mmpretrain makes layer1 and the head's bottlenecks of these, whatever conv_cfg and norm_cfg say,
# and its checkpoints are named accordingly.
FIXED_LAYERS = LayerFactory(None, BN)


class HRNet(models.HRNet):
    """HRNet as mmpretrain calls it: ``extra`` goes before ``arch``. Returns a tuple."""

    def __init__(
        self,
        arch: str = 'w32',
        extra: Mapping[str, Any] | None = None,
        in_channels: int = 3,
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] = BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        multiscale_output: bool = True,
        init_cfg: InitCfg = DEFAULT_INIT,
    ) -> None:
        network = dict(arch=arch) if extra is None else dict(extra=keys_read(extra))
        super().__init__(
            **network,
            in_channels=in_channels,
            out_indices=outputs(multiscale_output),
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            norm_eval=norm_eval,
            with_cp=with_cp,
            zero_init_residual=zero_init_residual,
            init_cfg=as_given(init_cfg),
        )
        if conv_cfg is not None or norm_cfg != BN:
            first = (stages_from_arch if extra is None else stages_from_extra)(**network)[0]
            self.layer1 = ResidualChain(
                first.block, first.num_blocks[0], STEM_CHANNELS, first.channels[0], FIXED_LAYERS
            )


class HRFuseScales(models.HRNetCls):
    """HRNetCls as mmpretrain calls it."""

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 2048,
        norm_cfg: dict[str, Any] = BN_WITH_MOMENTUM,
        init_cfg: InitCfg = LINEAR_INIT,
    ) -> None:
        super().__init__(in_channels, out_channels, norm_cfg=norm_cfg, init_cfg=init_cfg)
        if norm_cfg != BN_WITH_MOMENTUM:
            self.increase_layers = nn.ModuleList(
                ResidualChain('BOTTLENECK', 1, narrow, wide, FIXED_LAYERS)
                for narrow, wide in zip(in_channels, CLS_CHANNELS, strict=True)
            )


STAND_INS = (HRNet, HRFuseScales)
put_in_place('mmpretrain', *STAND_INS)
