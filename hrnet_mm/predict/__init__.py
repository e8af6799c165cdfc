"""Prediction on images, folders and videos: what ``tools/infer.py`` does."""

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.predict.people import Detector
from hrnet_mm.predict.run import Summary, infer

__all__ = ['Detector', 'Summary', 'infer']
