"""One HRNet for OpenMMLab: backbone and necks that mmpose, mmseg, mmdet, mmpretrain build by name.

Nothing has to be imported to use it: ``dict(type='hrnet_mm.HRNet', arch='w32')`` in any config
makes MMEngine's registry import this package by itself.
"""

from contextlib import suppress

__version__ = '0.1.0'

# Python has run it already where the package is installed; a copied folder works without it.
with suppress(ModuleNotFoundError):
    import hrnet_mm_startup  # noqa: F401
