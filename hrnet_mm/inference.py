"""Prediction from Python: ``infer`` does what ``tools/infer.py`` does (docs/infer.md)."""

from hrnet_mm.commands.infer_files import Detector, Summary, infer

__all__ = ['Detector', 'Summary', 'infer']
