"""What is wrong with a config or its data, said before a training and not after an epoch."""

from hrnet_mm.check.everything import check, make_sure, phases_of, say
from hrnet_mm.check.findings import Finding

__all__ = ['Finding', 'check', 'make_sure', 'phases_of', 'say']
