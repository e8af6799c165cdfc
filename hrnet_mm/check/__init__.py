"""What is wrong with a config or its data, said before a training and not after an epoch."""

from hrnet_mm.check.everything import check, phases_of
from hrnet_mm.check.findings import Finding
from hrnet_mm.check.report import make_sure, say

__all__ = ['Finding', 'check', 'make_sure', 'phases_of', 'say']
