"""Drawing the results of a model into an image: one function for each form of result.

Each takes an image (H, W) or (H, W, C) of any number type, leaves it as it is, and returns a new
picture, (H, W, 3) uint8 BGR. All colours are BGR, 0 to 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
POSE_BOX_COLOR = (230, 90, 200)  # purple, because skeletons are green, orange and blue
FARTHEST = 100_000  # pixels; OpenCV draws to 32-bit coordinates only
OPACITY = 0.55  # of the colours of a label map

FONT = cv2.FONT_HERSHEY_SIMPLEX
TALL = 'Ag|'  # letters that reach as high and as low as any
MARGIN = 2  # pixels around text
BRIGHT = 140  # of 255; on brighter colours text is black
TO_GRAY = (0.114, 0.587, 0.299)  # of blue, green and red


def draw_poses(
    image: np.ndarray,
    instances: Sequence[dict[str, Any]],
    links: Sequence[Sequence[int]],
    link_colors: np.ndarray,
    keypoint_colors: np.ndarray,
    score_thr: float,
) -> np.ndarray:
    """Draw boxes, skeletons and keypoints.

    Args:
        image: see the text of this module.
        instances: records with ``bbox`` (x, y, w, h), ``bbox_score`` and ``keypoints`` (K, 3) of
            x, y, score, in pixels.
        links: L pairs of keypoint indices.
        link_colors: (L, 3).
        keypoint_colors: (K, 3).
        score_thr: keypoints and boxes below are not drawn, nor links to such a keypoint.
    """
    drawn = as_picture(image).copy()
    for instance in instances:
        if instance['bbox_score'] < score_thr:
            continue
        thickness = _line_width(instance['bbox'], drawn)
        _draw_box(drawn, instance['bbox'], POSE_BOX_COLOR)
        keypoints = np.asarray(instance['keypoints'], np.float64)
        visible = keypoints[:, 2] >= score_thr
        points = np.clip(keypoints[:, :2].round(), -FARTHEST, FARTHEST).astype(int).tolist()
        for (start, end), color in zip(links, link_colors.tolist(), strict=True):
            if visible[start] and visible[end]:
                cv2.line(drawn, points[start], points[end], color, thickness, cv2.LINE_AA)
        dots = np.array(points)[visible]
        radius = min(2 * thickness, _dot_radius(dots))
        for point, color in zip(dots, keypoint_colors[visible], strict=True):
            cv2.circle(drawn, point.tolist(), radius, color.tolist(), -1, cv2.LINE_AA)
    return drawn


def draw_instances(
    image: np.ndarray, instances: Sequence[dict[str, Any]], colors: np.ndarray, score_thr: float
) -> np.ndarray:
    """Draw boxes, names with scores, and masks, half-transparent with a contour.

    Args:
        image: see the text of this module.
        instances: records with ``bbox`` (x, y, w, h) in pixels, ``score``, ``label``, ``category``
            and perhaps ``mask``, COCO's run-length encoding of (H, W).
        colors: (N, 3), of every label.
        score_thr: instances that score less are not drawn.
    """
    drawn = as_picture(image).copy()
    enough = [instance for instance in instances if instance['score'] >= score_thr]
    shown = [  # the most certain last, on top
        (instance, colors[instance['label']])
        for instance in sorted(enough, key=lambda instance: instance['score'])
    ]
    for instance, color in shown:
        if 'mask' in instance:
            _draw_mask(drawn, instance['mask'], color)
    for instance, color in shown:
        _draw_box(drawn, instance['bbox'], color.tolist())
    for instance, color in shown:
        text = f'{instance["category"]} {instance["score"]:.2f}'
        _draw_label(drawn, text, instance['bbox'][:2], color.tolist())
    return drawn


def draw_label_map(image: np.ndarray, labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Lay the colours of a label map over an image.

    Args:
        image: see the text of this module.
        labels: (H, W), each below N.
        colors: (N, 3) uint8, of every label.
    """
    blended = (1 - OPACITY) * as_picture(image) + OPACITY * colors[labels]
    return blended.round().astype(np.uint8)


def draw_class_list(
    image: np.ndarray, classes: Sequence[dict[str, Any]], score_thr: float
) -> np.ndarray:
    """Write scores and names of classes into a corner, a line each, on darkened ground.

    Lines that are too long, or too many, end at the image's edge.

    Args:
        image: see the text of this module.
        classes: records with ``category`` and ``score``, in the order of the lines.
        score_thr: classes that score less are not written.
    """
    drawn = as_picture(image).copy()
    lines = [f'{c["score"]:.2f} {c["category"]}' for c in classes if c['score'] >= score_thr]
    if not lines:
        return drawn
    scale = 1.25 * _text_scale(drawn)
    width, height = max(_text_size(line, scale) for line in lines)
    ground = drawn[: len(lines) * height, :width]
    ground[:] = ground // 3
    for i, line in enumerate(lines):
        _write_line(drawn, line, (0, i * height), scale, WHITE)
    return drawn


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


def _dot_radius(points: np.ndarray) -> int:
    """The largest radius with which most dots stay apart: those of a face or a hand lie close."""
    if len(points) < 2:
        return FARTHEST
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return max(1, int(np.median(distances.min(axis=1)) / 3))


def _draw_mask(image: np.ndarray, run_lengths: dict[str, Any], color: np.ndarray) -> None:
    from pycocotools import mask as coco_mask  # mmdet requires it, other hosts do not

    mask = coco_mask.decode(run_lengths)
    inside = mask.astype(bool)
    image[inside] = image[inside] // 2 + color // 2
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, color.tolist(), 1)


def _line_width(box: Sequence[float], image: np.ndarray) -> int:
    """Thin for small boxes (x, y, w, h) and thick for large ones, so that both stay visible."""
    side = min(max(box[2:]), max(image.shape[:2]))
    return max(1, round(side / 160))


def _draw_box(image: np.ndarray, box: Sequence[float], color: Sequence[int]) -> None:
    """Draw the outline of a box (x, y, w, h); a side outside the image is drawn at its edge."""
    height, width = image.shape[:2]
    x, y, w, h = box
    corners = np.clip([[x, y], [x + w, y + h]], 0, [width - 1, height - 1]).round().astype(int)
    cv2.rectangle(image, *corners.tolist(), color, _line_width(box, image))


def _draw_label(
    image: np.ndarray, text: str, corner: Sequence[float], color: Sequence[int]
) -> None:
    """Write text on a ground of a colour, above a corner (x, y) or below where there is no room."""
    scale = _text_scale(image)
    width, height = _text_size(text, scale)
    x = int(np.clip(corner[0], 0, max(0, image.shape[1] - width)))
    y = int(np.clip(corner[1], 0, image.shape[0]))
    top = y - height if y >= height else y
    cv2.rectangle(image, (x, top), (x + width, top + height), color, -1)
    ink = BLACK if np.dot(color, TO_GRAY) > BRIGHT else WHITE
    _write_line(image, text, (x, top), scale, ink)


def _text_scale(image: np.ndarray) -> float:
    """The size of text, in OpenCV's units, that is legible in an image."""
    return max(0.4, min(image.shape[:2]) / 1200)


def _text_size(text: str, scale: float) -> tuple[int, int]:
    """Width and height in pixels of a line with its margins; all lines are of one height."""
    (width, _), _ = cv2.getTextSize(text, FONT, scale, 1)
    (_, height), baseline = cv2.getTextSize(TALL, FONT, scale, 1)
    return width + 2 * MARGIN, height + baseline + 2 * MARGIN


def _write_line(
    image: np.ndarray, text: str, corner: tuple[int, int], scale: float, color: Sequence[int]
) -> None:
    """Write text whose upper left corner with its margins is at (x, y)."""
    (_, height), _ = cv2.getTextSize(TALL, FONT, scale, 1)
    origin = (corner[0] + MARGIN, corner[1] + MARGIN + height)
    thickness = max(1, round(scale))
    cv2.putText(image, text, origin, FONT, scale, color, thickness, cv2.LINE_AA)
