from hrnet_mm.takeover.for_mmdet import HRFPN, HRNet  # noqa: F401  (a documented name)
