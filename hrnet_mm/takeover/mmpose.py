"""The former name of ``for_mmpose``; configs and scripts import it."""

from hrnet_mm.takeover.for_mmpose import HRNet  # noqa: F401
