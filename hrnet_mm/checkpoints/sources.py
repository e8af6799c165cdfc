from hrnet_mm.weights.sources import use_our_readers  # noqa: F401
