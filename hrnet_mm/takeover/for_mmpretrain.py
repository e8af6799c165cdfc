"""Our HRNet and its head with mmpretrain's arguments. Importing this module puts them in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmpretrain.models.backbones import hrnet
from mmpretrain.models.necks import hr_fuse
from torch import nn

from hrnet_mm import models
from hrnet_mm.models.archs import stages_from_arch, stages_from_extra
from hrnet_mm.models.blocks import ResidualChain
from hrnet_mm.models.hrnet import STEM_CHANNELS
from hrnet_mm.models.layers import LayerFactory
from hrnet_mm.models.necks import CLS_CHANNELS
from hrnet_mm.takeover.arguments import BN, as_given, called_like, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

# mmpretrain makes layer1 and the head's bottlenecks of these, whatever conv_cfg and norm_cfg say,
# and its checkpoints are named accordingly.
FIXED_LAYERS = LayerFactory(None, BN)


@called_like(hrnet.HRNet)
class HRNet(models.HRNet):
    """HRNet as mmpretrain calls it: ``extra`` goes before ``arch``. Returns a tuple."""

    def __init__(
        self,
        arch: str,
        extra: Mapping[str, Any] | None,
        multiscale_output: bool,
        init_cfg: Any,
        **same: Any,
    ) -> None:
        network = dict(arch=arch) if extra is None else dict(extra=keys_read(extra))
        super().__init__(
            **network,
            out_indices=outputs(multiscale_output),
            init_cfg=as_given(init_cfg),
            **same,
        )
        if same['conv_cfg'] is not None or same['norm_cfg'] != BN:
            first = (stages_from_arch if extra is None else stages_from_extra)(**network)[0]
            self.layer1 = ResidualChain(
                first.block, first.num_blocks[0], STEM_CHANNELS, first.channels[0], FIXED_LAYERS
            )


@called_like(hr_fuse.HRFuseScales)
class HRFuseScales(models.HRNetCls):
    """HRNetCls as mmpretrain calls it."""

    def __init__(self, in_channels: Sequence[int], norm_cfg: dict[str, Any], **same: Any) -> None:
        super().__init__(in_channels, norm_cfg=norm_cfg, **same)
        if norm_cfg != BN | dict(momentum=0.1):
            self.increase_layers = nn.ModuleList(
                ResidualChain('BOTTLENECK', 1, narrow, wide, FIXED_LAYERS)
                for narrow, wide in zip(in_channels, CLS_CHANNELS, strict=True)
            )


STAND_INS = (HRNet, HRFuseScales)
put_in_place('mmpretrain', *STAND_INS)
