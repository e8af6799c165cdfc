"""Prediction from Python: ``infer`` does what ``tools/infer.py`` does (docs/infer.md)."""

from hrnet_mm.commands.infer import infer
from hrnet_mm.predict.detector import Detector
from hrnet_mm.predict.run import Summary

__all__ = ['Detector', 'Summary', 'infer']
