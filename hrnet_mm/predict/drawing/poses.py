"""Poses and landmarks: boxes, skeletons and keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from hrnet_mm.predict.drawing.marks import draw_box, line_width

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
        thickness = line_width(instance['bbox'], image)
        draw_box(drawn, instance['bbox'], BOX_COLOR, thickness)
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


def _dot_radius(points: np.ndarray) -> int:
    """The largest with which most dots stay apart: those of a face or a hand lie close."""
    if len(points) < 2:
        return FARTHEST
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return max(1, int(np.median(distances.min(axis=1)) / 3))
