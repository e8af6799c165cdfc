"""Drawing predictions into images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

BOX_COLOR = (230, 90, 200)  # BGR; purple, because skeletons are green, orange and blue
FARTHEST = 100_000  # pixels; OpenCV draws to 32-bit coordinates only


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
        image: (H, W, 3) uint8 BGR, left as it is.
        instances: records with ``bbox`` (x, y, w, h), ``bbox_score`` and ``keypoints`` (K, 3) of
            x, y, score, in pixels.
        links: L pairs of keypoint indices.
        link_colors: (L, 3) BGR, 0 to 255.
        keypoint_colors: (K, 3) BGR, 0 to 255.
        score_thr: keypoints and boxes below are not drawn, nor links to such a keypoint.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    drawn = image.copy()
    for instance in instances:
        if instance['bbox_score'] < score_thr:
            continue
        thickness = _line_width(instance['bbox'], image)
        _draw_box(drawn, instance['bbox'], thickness)
        keypoints = np.asarray(instance['keypoints'], np.float64)
        visible = keypoints[:, 2] >= score_thr
        points = np.clip(keypoints[:, :2].round(), -FARTHEST, FARTHEST).astype(int).tolist()
        for (start, end), color in zip(links, link_colors.tolist(), strict=True):
            if visible[start] and visible[end]:
                cv2.line(drawn, points[start], points[end], color, thickness, cv2.LINE_AA)
        for point, color in zip(np.array(points)[visible], keypoint_colors[visible], strict=True):
            cv2.circle(drawn, point.tolist(), 2 * thickness, color.tolist(), -1, cv2.LINE_AA)
    return drawn


def _line_width(box: Sequence[float], image: np.ndarray) -> int:
    """Thin for small people and thick for large ones, so that both stay visible."""
    height, width = image.shape[:2]
    side = min(max(box[2:]), max(height, width))
    return max(1, round(side / 160))


def _draw_box(image: np.ndarray, box: Sequence[float], thickness: int) -> None:
    height, width = image.shape[:2]
    x, y, w, h = box
    corners = np.clip([[x, y], [x + w, y + h]], 0, [width - 1, height - 1]).round().astype(int)
    cv2.rectangle(image, *corners.tolist(), BOX_COLOR, thickness)
