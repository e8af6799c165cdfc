"""The former name of ``for_mmseg``; configs and scripts import it."""

from hrnet_mm.takeover.for_mmseg import HRNet  # noqa: F401
