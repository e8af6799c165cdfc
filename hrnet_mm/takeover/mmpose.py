from hrnet_mm.takeover.for_mmpose import HRNet  # noqa: F401  (a documented name)
