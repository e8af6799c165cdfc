from hrnet_mm.weights.sources import use_our_readers

__all__ = ['use_our_readers']
