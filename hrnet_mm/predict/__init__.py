"""Prediction on images, folders and videos, by task."""

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
