from hrnet_mm.weights.pretrained import AnyWeightsHook, Pretrained

__all__ = ['AnyWeightsHook', 'Pretrained']
