"""Pictures side by side, with a line of text below, and many of them on a sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

BLACK = (0, 0, 0)
GAP = 6  # pixels
LINE = 18  # pixels; the height of a line of text
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
CELL = 640  # pixels; the longest side of a picture on a sheet


def framed(pictures: Sequence[np.ndarray], text: str) -> np.ndarray:
    """Pictures in a row, on white, above a line of text."""
    height = max(picture.shape[0] for picture in pictures)
    parts = [
        cv2.copyMakeBorder(
            picture,
            *(0, height - picture.shape[0], GAP if number == 0 else 0, GAP),
            borderType=cv2.BORDER_CONSTANT,
            value=(255, 255, 255),
        )
        for number, picture in enumerate(pictures)
    ]
    row = np.hstack(parts)
    zoom = max(1, row.shape[1] / CELL)  # legible on a sheet, too
    lines = _wrapped(text, FONT_SCALE * zoom, row.shape[1] - 2 * GAP)
    height = round(LINE * zoom)
    below = np.full((height * len(lines) + GAP, row.shape[1], 3), 255, np.uint8)
    for number, line in enumerate(lines, 1):
        place = (GAP, height * number - GAP // 2)
        thickness = max(1, round(zoom / 1.5))
        cv2.putText(below, line, place, FONT, FONT_SCALE * zoom, BLACK, thickness, cv2.LINE_AA)
    return np.vstack([np.full((GAP, row.shape[1], 3), 255, np.uint8), row, below])


def sheet(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """All pictures in rows, each at most ``CELL`` pixels wide and high."""
    cells = [_shrunk(picture) for picture in pictures]
    height = max(cell.shape[0] for cell in cells)
    width = max(cell.shape[1] for cell in cells)
    columns = min(len(cells), max(1, round(math.sqrt(len(cells) * height / width))))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return np.vstack([_row(row, columns * width) for row in rows])


def _row(cells: Sequence[np.ndarray], width: int) -> np.ndarray:
    row = np.full((max(cell.shape[0] for cell in cells), width, 3), 255, np.uint8)
    x = 0
    for cell in cells:
        row[: cell.shape[0], x : x + cell.shape[1]] = cell
        x += cell.shape[1]
    return row


def _shrunk(picture: np.ndarray) -> np.ndarray:
    scale = CELL / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _wrapped(text: str, scale: float, width: int) -> list[str]:
    """Text broken into lines of so many pixels; OpenCV's letters are those of ASCII."""
    lines = ['']
    for word in text.encode('ascii', 'replace').decode().split():
        longer = f'{lines[-1]} {word}'.strip()
        if cv2.getTextSize(longer, FONT, scale, 1)[0][0] > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
