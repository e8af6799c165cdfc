"""The former name of ``for_mmdet``; configs and scripts import it."""

from hrnet_mm.takeover.for_mmdet import HRFPN, HRNet  # noqa: F401
