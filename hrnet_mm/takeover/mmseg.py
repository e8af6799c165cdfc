from hrnet_mm.takeover.for_mmseg import HRNet  # noqa: F401  (a documented name)
