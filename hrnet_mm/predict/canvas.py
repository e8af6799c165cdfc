"""What all drawings are made of: the picture they begin with, lines, labels, a legend.

All colours are BGR, 0 to 255, all points and boxes in pixels of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

Color = Sequence[int]
Line = tuple[Color | None, str]  # of a legend: the colour of its square, or none, and the text

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
GROUND = (34, 30, 28)  # of a legend
SMALLEST = 320  # pixels of the longer side of a picture; smaller images are enlarged
FEWEST_LINES = 6  # for which a legend has room beside the flattest of images
WIDEST_LEGEND = 0.5  # of the picture's width, if that is more than the following
NARROW_LEGEND = 200  # pixels

FONT = cv2.FONT_HERSHEY_SIMPLEX
TALL = 'Ag|'  # letters that reach as high and as low as any
MARGIN = 2  # pixels around text
BRIGHT = 140  # of 255; on brighter colours text is black
TO_GRAY = (0.114, 0.587, 0.299)  # of blue, green and red


def bgr_colors(rgb: Any) -> np.ndarray:
    """The colours of a host's meta, (N, 3) of red, green and blue, as they are drawn: uint8 BGR."""
    return np.asarray(rgb, np.uint8).reshape(-1, 3)[:, ::-1]


def as_picture(image: np.ndarray) -> np.ndarray:
    """Convert an image of any number of channels and any number type to 8 bit colour.

    Bytes, and floats that are whole numbers from 0 to 255, keep their values. Other numbers are
    stretched, so that the image's smallest becomes 0 and its largest 255. Of four channels and more
    the first three are shown, of two the first.

    Args:
        image: (H, W) or (H, W, C).

    Returns:
        (H, W, 3) uint8 BGR, not to be written into: it may share the image's memory.
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


def scale_of(image: np.ndarray) -> int:
    """How many times as large an image is drawn: 1, or of an image of 80 x 60 pixels 4 times."""
    return -(-SMALLEST // max(*image.shape[:2], 1))


def canvas_of(image: np.ndarray) -> np.ndarray:
    """A copy of an image (see ``as_picture``) to draw on, enlarged by ``scale_of`` the image."""
    return enlarged(as_picture(image), scale_of(image), cv2.INTER_CUBIC).copy()


def enlarged(image: np.ndarray, scale: int, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    """An image ``scale`` times as wide and as high."""
    if scale == 1:
        return image
    height, width = image.shape[:2]
    size = (width * scale, height * scale)
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=interpolation)


def blend(canvas: np.ndarray, colors: np.ndarray, opacity: float, where: np.ndarray) -> None:
    """Lay colours (H, W, 3), or one colour, over the pixels ``where`` a mask (H, W) is True."""
    rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    below = np.ascontiguousarray(canvas[part])
    above = np.ascontiguousarray(np.broadcast_to(colors, canvas.shape)[part])
    mixed = cv2.addWeighted(above, opacity, below, 1 - opacity, 0)
    np.copyto(canvas[part], mixed, where=where[part][..., None])


# Lines


def line_width(box: Sequence[float], canvas: np.ndarray) -> int:
    """Thin for small boxes (x, y, w, h) and small pictures, so that what is drawn stays apart."""
    side = min(max(box[2:]), max(canvas.shape[:2]))
    of_picture = min(canvas.shape[:2]) / 500
    return max(1, round(min(max(side / 160, of_picture), side / 24)))


def corners_of(box: Sequence[float], canvas: np.ndarray) -> list[list[int]]:
    """The first and the last pixel of a box (x, y, w, h), as far as it lies in the picture."""
    height, width = canvas.shape[:2]
    x, y, w, h = box
    corners = np.clip([[x, y], [x + w, y + h]], 0, [width - 1, height - 1])
    return corners.round().astype(int).tolist()


def draw_box(canvas: np.ndarray, box: Sequence[float], color: Color) -> None:
    """Draw the outline of a box (x, y, w, h); a side outside the picture is drawn at its edge."""
    cv2.rectangle(canvas, *corners_of(box, canvas), color, line_width(box, canvas))


# Text


def text_scale(canvas: np.ndarray) -> float:
    """The size of text, in OpenCV's units, that is legible in a picture."""
    return max(0.4, min(canvas.shape[:2]) / 1200)


@lru_cache(maxsize=4096)
def text_size(text: str, scale: float) -> tuple[int, int]:
    """Width and height in pixels of a line with its margins; all lines are of one height."""
    thickness = _text_thickness(scale)
    (width, _), _ = cv2.getTextSize(text, FONT, scale, thickness)
    (_, height), baseline = cv2.getTextSize(TALL, FONT, scale, thickness)
    return width + 2 * MARGIN, height + baseline + 2 * MARGIN


def _text_thickness(scale: float) -> int:
    return max(1, round(1.2 * scale))


def shortened(text: str, width: int, scale: float) -> str:
    """A text that is no wider: ``'sports car, sp..'``."""
    if text_size(text, scale)[0] <= width:
        return text
    while text and text_size(f'{text}..', scale)[0] > width:
        text = text[:-1]
    return f'{text}..'


def write_line(
    canvas: np.ndarray, text: str, corner: tuple[int, int], scale: float, color: Color
) -> None:
    """Write text whose upper left corner with its margins is at (x, y)."""
    thickness = _text_thickness(scale)
    (_, height), _ = cv2.getTextSize(TALL, FONT, scale, thickness)
    origin = (corner[0] + MARGIN, corner[1] + MARGIN + height)
    cv2.putText(canvas, text, origin, FONT, scale, color, thickness, cv2.LINE_AA)


class Labels:
    """Writes labels beside boxes: in the picture, not over the box, over as little else as can be.

    Args:
        canvas: the picture.
        boxes: (x, y, w, h) of everything that has a label.
    """

    def __init__(self, canvas: np.ndarray, boxes: Sequence[Sequence[float]]) -> None:
        self._canvas = canvas
        self._scale = text_scale(canvas)
        corners = [sum(corners_of(box, canvas), []) for box in boxes]
        self._boxes = np.reshape(corners, (-1, 4))  # x1, y1, x2, y2
        self._written = np.zeros((0, 4), int)

    def write(self, number: int, text: str, color: Color) -> None:
        """Write a text on ground of a colour beside the box of a number."""
        text = shortened(text, self._canvas.shape[1], self._scale)
        place = self._place(self._boxes[number], *text_size(text, self._scale))
        self._written = np.concatenate([self._written, [place]])
        x, y, *last = place.tolist()
        cv2.rectangle(self._canvas, (x, y), last, color, -1)
        ink = BLACK if np.dot(color, TO_GRAY) > BRIGHT else WHITE
        write_line(self._canvas, text, (x, y), self._scale, ink)

    def _place(self, box: np.ndarray, width: int, height: int) -> np.ndarray:
        """Where a label of a size goes: the best of above, below, beside, or inside the box."""
        x1, y1, x2, y2 = box.tolist()
        right, bottom = self._canvas.shape[1] - width, self._canvas.shape[0] - height
        # Its left edge over the box's or its right edge, above and below; beside it; or inside.
        wanted = [(x, y) for y in (y1 - height, y2 + 1) for x in (x1, x2 + 1 - width)]
        wanted += [(x2 + 1, y1), (x1 - width, y1), (x1, y1)]
        corners = np.clip(wanted, 0, [max(right, 0), max(bottom, 0)])
        places = np.concatenate([corners, corners + [width - 1, height - 1]], axis=1)
        over_labels = _overlap(places, self._written).sum(axis=1)
        over_boxes = _overlap(places, self._boxes).max(axis=1)
        over_itself = _overlap(places, box[None]).sum(axis=1)
        return places[np.argmin(20 * over_labels + over_boxes + 2 * over_itself)]


def _overlap(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The number of pixels (N, M) that N places and M others have in common."""
    first = np.maximum(places[:, None, :2], others[None, :, :2])
    last = np.minimum(places[:, None, 2:], others[None, :, 2:])
    return np.clip(last - first + 1, 0, None).prod(axis=2)


def with_legend(canvas: np.ndarray, lines: Sequence[Line], possible: tuple[str, ...]) -> np.ndarray:
    """A picture with lines of text beside it, on its right.

    The size depends on that of the picture and on the possible texts only, not on the lines, so
    that all frames of a video are of one size. Lines that are too long, or too many, are cut.

    Args:
        canvas: the picture.
        lines: see ``Line``.
        possible: the longest texts that there can be.
    """
    scale = text_scale(canvas)
    line_height = text_size(TALL, scale)[1] + 2 * MARGIN
    square = line_height if any(color is not None for color, _ in lines) else 0
    height, width = canvas.shape[:2]
    panel_height = max(height, FEWEST_LINES * line_height)
    panel_width = _legend_width(possible, scale, line_height, width)
    panel = np.full((panel_height, panel_width, 3), GROUND, np.uint8)
    room = panel_height // line_height
    if len(lines) > room:
        lines = [*lines[: room - 1], (None, f'and {len(lines) - room + 1} more')]
    for number, (color, text) in enumerate(lines):
        y = number * line_height
        if color is not None:
            last = (square - 2 * MARGIN, y + line_height - 2 * MARGIN)
            cv2.rectangle(panel, (2 * MARGIN, y + 2 * MARGIN), last, [*map(int, color)], -1)
        text = shortened(text, panel_width - square - 2 * MARGIN, scale)
        write_line(panel, text, (square + MARGIN, y + MARGIN), scale, WHITE)
    below = (0, panel_height - height, 0, 0)
    picture = cv2.copyMakeBorder(canvas, *below, cv2.BORDER_CONSTANT, value=GROUND)
    return np.concatenate([picture, panel], axis=1)


@lru_cache(maxsize=16)
def _legend_width(possible: tuple[str, ...], scale: float, square: int, width: int) -> int:
    widest = max((text_size(text, scale)[0] for text in possible), default=0)
    most = max(round(WIDEST_LEGEND * width), round(NARROW_LEGEND * scale / 0.4))
    return min(widest + square + 4 * MARGIN, most)
