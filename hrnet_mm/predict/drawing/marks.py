"""What the drawings of several tasks are made of: boxes and lines of text."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
TALL = 'Ag|'  # as high and as low as letters come
MARGIN = 2  # pixels around text
BRIGHT = 140  # of 255; on brighter colours text is black
TO_GRAY = (0.114, 0.587, 0.299)  # of blue, green and red
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def line_width(box: Sequence[float], image: np.ndarray) -> int:
    """Thin for small boxes (x, y, w, h) and thick for large ones, so that both stay visible."""
    height, width = image.shape[:2]
    side = min(max(box[2:]), max(height, width))
    return max(1, round(side / 160))


def draw_box(image: np.ndarray, box: Sequence[float], color: Sequence[int], thickness: int) -> None:
    """Draw the outline of a box (x, y, w, h) into an image; what is outside comes to its edge."""
    height, width = image.shape[:2]
    x, y, w, h = box
    corners = np.clip([[x, y], [x + w, y + h]], 0, [width - 1, height - 1]).round().astype(int)
    cv2.rectangle(image, *corners.tolist(), color, thickness)


def draw_label(image: np.ndarray, text: str, corner: Sequence[float], color: Sequence[int]) -> None:
    """Write text on a ground of a colour, above a corner (x, y) or below where there is no room."""
    scale = text_scale(image)
    width, height = text_size(text, scale)
    x = int(np.clip(corner[0], 0, max(0, image.shape[1] - width)))
    y = int(np.clip(corner[1], 0, image.shape[0]))
    top = y - height if y >= height else y
    cv2.rectangle(image, (x, top), (x + width, top + height), color, -1)
    ink = BLACK if np.dot(color, TO_GRAY) > BRIGHT else WHITE
    write_line(image, text, (x, top), scale, ink)


def text_scale(image: np.ndarray) -> float:
    """The size of text, as OpenCV counts it, that is legible in an image."""
    return max(0.4, min(image.shape[:2]) / 1200)


def text_size(text: str, scale: float) -> tuple[int, int]:
    """Width and height in pixels of a line with its margins; all lines are of one height."""
    (width, _), _ = cv2.getTextSize(text, FONT, scale, 1)
    (_, height), baseline = cv2.getTextSize(TALL, FONT, scale, 1)
    return width + 2 * MARGIN, height + baseline + 2 * MARGIN


def write_line(
    image: np.ndarray, text: str, corner: tuple[int, int], scale: float, color: Sequence[int]
) -> None:
    """Write text whose upper left corner with its margins is at (x, y)."""
    (_, height), _ = cv2.getTextSize(TALL, FONT, scale, 1)
    origin = (corner[0] + MARGIN, corner[1] + MARGIN + height)
    thickness = max(1, round(scale))
    cv2.putText(image, text, origin, FONT, scale, color, thickness, cv2.LINE_AA)
