from hrnet_mm.weights.convert import convert

__all__ = ['convert']
