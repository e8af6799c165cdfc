"""One HRNet for OpenMMLab: backbone and necks that mmpose, mmseg, mmdet, mmpretrain build by name.

Nothing has to be imported to use it: ``dict(type='hrnet_mm.HRNet', arch='w32')`` in any config
makes MMEngine's registry import this package by itself.
"""

import sys
from contextlib import suppress

__version__ = '0.1.0'

# OpenVINO, which hrnet_mm.deploy can use, tells its maker that it is imported, by this module.
sys.modules.setdefault('openvino_telemetry', None)
# Python has run it already where the package is installed; a copied folder works without it.
with suppress(ModuleNotFoundError):
    import hrnet_mm_startup  # noqa: F401
# It sets how large images may be that OpenCV decodes, which OpenCV reads when it is imported.
import hrnet_mm.base.image_size  # noqa: E402, F401
