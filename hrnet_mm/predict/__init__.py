"""Prediction on images, folders and videos, by task."""

import hrnet_mm.fixes  # noqa: F401  (before any host is imported)
