"""Pictures for the tests."""

import cv2
import numpy as np


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth coloured blobs, (height, width, 3) uint8 BGR."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
