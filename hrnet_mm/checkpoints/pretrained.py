from hrnet_mm.weights.pretrained import AnyWeightsHook, Pretrained  # noqa: F401
