from hrnet_mm.takeover.for_mmpretrain import HRFuseScales, HRNet  # noqa: F401  (a documented name)
