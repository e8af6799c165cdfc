"""The former name of ``for_mmpretrain``; configs and scripts import it."""

from hrnet_mm.takeover.for_mmpretrain import HRFuseScales, HRNet  # noqa: F401
