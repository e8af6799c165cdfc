from hrnet_mm.weights.convert import convert  # noqa: F401
