"""Any image as one that can be drawn into and looked at."""

from __future__ import annotations

import numpy as np


def as_picture(image: np.ndarray) -> np.ndarray:
    """An image of any number of channels and any numbers as 8 bit colour.

    Bytes, and floats that are whole numbers from 0 to 255, keep their values. Other numbers are
    stretched, so that the image's smallest becomes 0 and its largest 255. Of four channels and more
    the first three are shown, of two the first.

    Args:
        image: (H, W) or (H, W, C).

    Returns:
        (H, W, 3) uint8 BGR; the image itself if it is such a picture.
    """
    channels = image[..., None] if image.ndim == 2 else image
    shown = channels[..., :3] if channels.shape[2] >= 3 else channels[..., :1]
    return np.broadcast_to(_as_bytes(shown), (*shown.shape[:2], 3))


def _as_bytes(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    with np.errstate(invalid='ignore'):  # NaN, which is no byte
        as_they_are = image.astype(np.uint8)
    if np.issubdtype(image.dtype, np.floating) and (as_they_are == image).all():
        return as_they_are
    finite = image[np.isfinite(image)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    numbers = np.nan_to_num(image.astype(np.float32), nan=low, posinf=high, neginf=low)
    return ((numbers - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)
