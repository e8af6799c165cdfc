"""Our HRNet with mmseg's arguments. Importing this module puts it in the place of mmseg's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hrnet_mm import models
from hrnet_mm.models.hrmodule import ExchangeUnit, Upsample
from hrnet_mm.takeover.arguments import InitCfg, keys_read, outputs
from hrnet_mm.takeover.switch import put_in_place

TRAINED_BN = dict(type='BN', requires_grad=True)


class ByPowersOfTwo(Upsample):
    """Upsamples by a power of two and, where that overshoots, resizes the result.

    Ours goes to the wanted size at once. The two differ at image sizes that the coarse maps do
    not divide, and mmseg's published scores come from this one.
    """

    def __call__(self, x: Tensor, size: Sequence[int]) -> Tensor:
        old = x.shape[2:]
        doublings = max(((n - 1) // m).bit_length() for m, n in zip(old, size, strict=True))
        y = super().__call__(x, [n * 2**doublings for n in old])
        return y if y.shape[2:] == size else super().__call__(y, size)


class HRNet(models.HRNet):
    """HRNet as mmseg calls it: upsampling is bilinear, in two steps. Returns a list."""

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
                module.upsample = ByPowersOfTwo('bilinear', align_corners=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Image (N, in_channels, H, W) -> maps (N, 2**i * C, H / 2**(i + 2), W / 2**(i + 2))."""
        return list(super().forward(x))


STAND_INS = (HRNet,)
put_in_place('mmseg', *STAND_INS)
