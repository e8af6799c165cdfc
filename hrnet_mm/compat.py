"""What lets the OpenMMLab hosts run here; importing this module, before any host, puts it in place.

* :mod:`hrnet_mm.standins`: mmcv's operators, xtcocotools and pkg_resources, where they are absent.
* :mod:`hrnet_mm.fixes`: faults of the hosts on current versions of PyTorch, numpy and setuptools.
"""

from hrnet_mm.base.garbage import uncollected
from hrnet_mm.standins import put_in_place

put_in_place()

with uncollected():
    import hrnet_mm.fixes  # noqa: F401  (imports mmengine, which may need a stand-in)
