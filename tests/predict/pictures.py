"""Pictures for the tests."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hrnet_mm.base.images import read_image


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth coloured blobs, (height, width, 3) uint8 BGR."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def load_in_color(path: Path, decoded: np.ndarray | None = None) -> dict[str, Any]:
    """What a config gives that loads images as most do."""
    return dict(img=read_image(path) if decoded is None else decoded)
