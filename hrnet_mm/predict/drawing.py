"""Drawing the results of a model into an image: one function for each form of result.

Each takes an image (H, W) or (H, W, C) of any number type, leaves it as it is, and returns a new
picture, (h, w, 3) uint8 BGR: the image, where it is small enlarged by a whole number, and of some
forms a legend beside it. All pictures of images of one size are of one size. All colours are BGR,
0 to 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from hrnet_mm.predict.canvas import (
    Labels,
    blend,
    canvas_of,
    draw_box,
    enlarged,
    line_width,
    scale_of,
    with_legend,
)

POSE_BOX_COLOR = (230, 90, 200)  # purple, because skeletons are green, orange and blue
FARTHEST = 100_000  # pixels; OpenCV draws to 32-bit coordinates only
OPACITY = 0.5  # of label maps and masks
# What datasets call the class that is none of the others, in small letters without underlines.
BACKGROUND = ('background', 'bg')


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
    canvas, scale = canvas_of(image), scale_of(image)
    for instance in instances:
        if instance['bbox_score'] < score_thr:
            continue
        box = np.multiply(instance['bbox'], scale)
        thickness = line_width(box, canvas)
        draw_box(canvas, box, POSE_BOX_COLOR)
        keypoints = np.asarray(instance['keypoints'], np.float64)
        visible = keypoints[:, 2] >= score_thr
        places = (keypoints[:, :2] + 0.5) * scale - 0.5  # of the middles of pixels
        points = np.clip(places.round(), -FARTHEST, FARTHEST).astype(int).tolist()
        for (start, end), color in zip(links, link_colors.tolist(), strict=True):
            if visible[start] and visible[end]:
                cv2.line(canvas, points[start], points[end], color, thickness, cv2.LINE_AA)
        dots = np.array(points)[visible]
        radius = min(2 * thickness, _dot_radius(dots))
        for point, color in zip(dots, keypoint_colors[visible], strict=True):
            cv2.circle(canvas, point.tolist(), radius, color.tolist(), -1, cv2.LINE_AA)
    return canvas


def draw_instances(
    image: np.ndarray,
    instances: Sequence[dict[str, Any]],
    colors: np.ndarray,
    score_thr: float,
    opacity: float = OPACITY,
) -> np.ndarray:
    """Draw boxes, names with scores beside them, and masks with a contour.

    Args:
        image: see the text of this module.
        instances: records with ``bbox`` (x, y, w, h) in pixels, ``score``, ``label``, ``category``
            and perhaps ``mask``, COCO's run-length encoding of (H, W).
        colors: (N, 3), of every label.
        score_thr: instances that score less are not drawn.
        opacity: of masks, from 0 to 1.
    """
    canvas, scale = canvas_of(image), scale_of(image)
    enough = [instance for instance in instances if instance['score'] >= score_thr]
    shown = sorted(enough, key=lambda instance: instance['score'])  # the most certain on top
    boxes = [np.multiply(instance['bbox'], scale) for instance in shown]
    own_colors = [colors[instance['label']] for instance in shown]
    for instance, color in zip(shown, own_colors, strict=True):
        if 'mask' in instance:
            _draw_mask(canvas, instance['mask'], scale, color, opacity)
    for box, color in zip(boxes, own_colors, strict=True):
        draw_box(canvas, box, color.tolist())
    labels = Labels(canvas, boxes)
    for number in reversed(range(len(shown))):  # the most certain have the best places
        text = f'{shown[number]["category"]} {shown[number]["score"]:.2f}'
        labels.write(number, text, own_colors[number].tolist())
    return canvas


def draw_label_map(
    image: np.ndarray,
    labels: np.ndarray | None,
    classes: Sequence[dict[str, Any]],
    colors: np.ndarray,
    class_names: Sequence[str],
    opacity: float = OPACITY,
) -> np.ndarray:
    """Lay the colours of a label map over an image, but for the background; with a legend.

    Args:
        image: see the text of this module.
        labels: (H, W), each below N; None: nothing is known of the image.
        classes: records of the labels that occur, in the order of the legend, with ``label``,
            ``category`` and ``share`` of the pixels.
        colors: (N, 3) uint8, of every label.
        class_names: all that the model knows.
        opacity: from 0 to 1.
    """
    canvas, scale = canvas_of(image), scale_of(image)
    background = [entry['label'] for entry in classes if is_background(entry['category'])]
    if labels is not None:
        large = enlarged(labels, scale)
        blend(canvas, colors[large], opacity, ~np.isin(large, background))
    lines = [
        (
            None if entry['label'] in background else colors[entry['label']],
            f'{entry["category"]} {_percent(entry["share"])}',
        )
        for entry in classes
    ]
    return with_legend(canvas, lines, tuple(f'{name} 100%' for name in class_names or ['000']))


def is_background(name: str) -> bool:
    """Whether a class is what is none of the others: ``'background'``, ``'_background_'``."""
    return name.strip(' _').lower() in BACKGROUND


def _percent(share: float) -> str:
    return '<1%' if share < 0.01 else f'{share:.0%}'


def draw_class_list(
    image: np.ndarray,
    classes: Sequence[dict[str, Any]],
    class_names: Sequence[str],
    score_thr: float,
) -> np.ndarray:
    """Write scores and names of classes beside an image, a line each.

    Args:
        image: see the text of this module.
        classes: records with ``category`` and ``score``, in the order of the lines.
        class_names: all that the model knows.
        score_thr: classes that score less are not written.
    """
    lines = [
        (None, f'{c["score"]:.2f} {c["category"]}') for c in classes if c['score'] >= score_thr
    ]
    possible = tuple(f'0.00 {name}' for name in class_names or ['000'])
    return with_legend(canvas_of(image), lines, possible)


def _dot_radius(points: np.ndarray) -> int:
    """The largest radius with which most dots stay apart: those of a face or a hand lie close."""
    if len(points) < 2:
        return FARTHEST
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return max(1, int(np.median(distances.min(axis=1)) / 3))


def _draw_mask(
    canvas: np.ndarray, run_lengths: dict[str, Any], scale: int, color: np.ndarray, opacity: float
) -> None:
    from pycocotools import mask as coco_mask  # mmdet requires it, other hosts do not

    mask = enlarged(coco_mask.decode(run_lengths), scale)
    blend(canvas, color, opacity, mask.astype(bool))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, color.tolist(), 1)
