"""HRNet and its necks. Pure arithmetic on tensors: no host library is imported here."""

from hrnet_mm.models.archs import ARCHS
from hrnet_mm.models.hrmodule import ExchangeUnit, HRModule
from hrnet_mm.models.hrnet import HRNet
from hrnet_mm.models.necks import HRNetCls, HRNetV1, HRNetV2, HRNetV2p

__all__ = [
    'ARCHS',
    'ExchangeUnit',
    'HRModule',
    'HRNet',
    'HRNetCls',
    'HRNetV1',
    'HRNetV2',
    'HRNetV2p',
]
