"""Targets of mmpose's models: the poses that can be read out of them, and the heatmaps beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from mmengine.structures import BaseDataElement

from hrnet_mm.predict.canvas import bgr_colors, canvas_of
from hrnet_mm.predict.drawing import draw_poses

WHITE = np.array([[255, 255, 255]], np.uint8)
IGNORED = 0.35  # of the brightness of what a loss leaves out
PEAK = 0.99  # of a target; maps of a sigma below a pixel and of UDP have peaks below 1


def draw(
    image: np.ndarray, labels: BaseDataElement, meta: dict[str, Any]
) -> tuple[list[np.ndarray], str]:
    """The input with its poses, and its heatmaps in the colours of their keypoints.

    Poses are read out of the targets, not out of the annotation: the peaks of a top-down model's
    heatmaps, the centers and displacements of DEKR, the places where associative embedding learns
    its tags, the coordinates of a regression. So a flip or a warp that the targets do not share
    with the image is seen.
    """
    colors = _colors(meta)
    poses = list(_poses(labels, image.shape[:2], meta.get('codec')))
    instances = [dict(bbox=_box(pose, image), bbox_score=1, keypoints=pose) for pose in poses]
    links = np.asarray(meta.get('skeleton_links') or []).reshape(-1, 2).tolist()
    link_colors = bgr_colors(meta.get('skeleton_link_colors', []))
    pictures = [draw_poses(image, instances, links, link_colors, colors, 0.5)]
    heatmaps = _field(labels, 'heatmaps')
    if heatmaps is not None:
        pictures.append(_heat(canvas_of(image), heatmaps, _field(labels, 'heatmap_mask'), colors))
    return pictures, _text(poses)


def _poses(
    labels: BaseDataElement, size: tuple[int, int], codec: Any = None
) -> Iterator[np.ndarray]:
    """Poses (K, 3) of x, y in pixels of the input, and 1 where the keypoint is learnt, else 0."""
    heatmaps, displacements = _field(labels, 'heatmaps'), _field(labels, 'displacements')
    parts = labels.get('gt_instance_labels')
    height, width = size
    if heatmaps is not None and displacements is not None:
        yield from _of_centers(
            heatmaps, displacements, _field(labels, 'displacement_weights'), size
        )
    elif heatmaps is not None and len(parts.get('keypoint_weights', ())) == 1:
        yield _of_heatmaps(heatmaps, parts.keypoint_weights[0].numpy().reshape(-1), size, codec)
    elif 'keypoint_labels' in parts:  # shares of the input
        weights = parts.keypoint_weights.numpy().reshape(len(parts.keypoint_labels), -1)
        for points, learnt in zip(parts.keypoint_labels.numpy(), weights, strict=True):
            yield np.column_stack([points[:, :2] * [width, height], learnt > 0])
    elif heatmaps is not None and 'keypoint_indices' in parts:
        yield from _of_indices(labels, size)
    elif heatmaps is not None:  # bottom-up without either, as CID: only the annotation has poses
        people = labels.gt_instances
        for points, visible in zip(people.keypoints, people.keypoints_visible, strict=True):
            shown = np.asarray(visible).reshape(len(points), -1)[:, 0] > 0
            yield np.column_stack([points[:, :2], shown])


def _of_heatmaps(
    heatmaps: np.ndarray, weights: np.ndarray, size: tuple[int, int], codec: Any
) -> np.ndarray:
    """The pose of heatmaps (K, h, w): as the model's codec reads them, else each highest pixel."""
    number, height, width = heatmaps.shape
    if type(codec).__name__.endswith('Heatmap'):  # mmpose's MSRAHeatmap, UDPHeatmap, ...
        points = codec.decode(heatmaps)[0][0]
    else:
        rows, columns = np.divmod(heatmaps.reshape(number, -1).argmax(axis=1), width)
        points = np.column_stack([columns * (size[1] / width), rows * (size[0] / height)])
    learnt = (weights > 0) & (heatmaps.reshape(len(weights), -1).max(axis=1) > 0)
    return np.column_stack([points, learnt])


def _of_centers(
    heatmaps: np.ndarray, displacements: np.ndarray, weights: np.ndarray, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """The poses of DEKR's targets: from each peak of the centers' map its keypoints are pointed at.

    Args:
        heatmaps: (K + 1, h, w), the last of centers.
        displacements: (2K, h, w) of x and y, in pixels of the maps.
        weights: (2K, h, w), 0 where nothing is learnt.
        size: height and width of the input.
    """
    centers = heatmaps[-1]
    highest = cv2.dilate(centers, np.ones((3, 3), np.uint8))
    height, width = centers.shape
    for y, x in np.argwhere((centers == highest) & (centers > PEAK / 2)):
        points = displacements[:, y, x].reshape(-1, 2) + [x, y]
        learnt = weights[::2, y, x] > 0
        if learnt.any():
            yield np.column_stack([points * [size[1] / width, size[0] / height], learnt])


def _of_indices(labels: BaseDataElement, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The poses of associative embedding: where the tags of each person are learnt."""
    maps, people = labels.gt_fields.heatmaps, labels.gt_instance_labels.keypoint_indices
    if isinstance(maps, list | tuple):  # several levels; tags are of the first
        maps, people = maps[0], people[0]
    height, width = maps.shape[-2:]
    for places, learnt in np.moveaxis(people.numpy(), -1, 1):
        rows, columns = np.divmod(places, width)
        x, y = columns * (size[1] / width), rows * (size[0] / height)
        yield np.column_stack([x, y, learnt > 0])


def _heat(
    base: np.ndarray, heatmaps: np.ndarray, mask: np.ndarray | None, colors: np.ndarray
) -> np.ndarray:
    """Heatmaps (K or more, h, w) in the keypoints' colours over the dim grey input.

    A map beyond the keypoints, of centers, is white; what the loss leaves out is darkened.
    """
    number = len(heatmaps)
    inks = np.concatenate([colors, WHITE.repeat(max(0, number - len(colors)), axis=0)])[:number]
    glow = np.zeros((*heatmaps.shape[1:], 3), np.float32)
    for heatmap, ink in zip(heatmaps, inks.astype(np.float32), strict=True):
        glow = np.maximum(glow, heatmap[..., None].clip(0, 1) * ink)
    grey = cv2.cvtColor(cv2.cvtColor(base, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) * 0.5
    if mask is not None:
        taken = fitted(mask.reshape(-1, *mask.shape[-2:])[0].astype(np.float32), base.shape[:2])
        grey *= np.where(taken[..., None] > 0.5, 1, IGNORED)
    return np.maximum(grey, fitted(glow, base.shape[:2])).round().astype(np.uint8)


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map brought to the (height, width) of the picture that it lies over."""
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def _field(labels: BaseDataElement, name: str) -> np.ndarray | None:
    """A map of the targets; of several levels the last, which is the finest."""
    fields = labels.get('gt_fields')
    found = None if fields is None else fields.get(name)
    if isinstance(found, list | tuple):
        found = found[-1]
    return None if found is None else found.float().cpu().numpy()


def _colors(meta: dict[str, Any]) -> np.ndarray:
    """The keypoints' colours (K, 3) BGR; where they are all alike, as a face's, a rainbow.

    In a rainbow the sides of a face differ, so that a flip which does not swap them is seen.
    """
    colors = bgr_colors(meta['keypoint_colors'])
    if len(np.unique(colors, axis=0)) > 1:
        return colors
    shades = np.linspace(0, 255, len(colors)).round().astype(np.uint8)
    return cv2.applyColorMap(shades[:, None], cv2.COLORMAP_RAINBOW)[:, 0]


def _box(pose: np.ndarray, image: np.ndarray) -> list[float]:
    """Around what is learnt of a pose: x, y, w, h."""
    learnt = pose[pose[:, 2] > 0, :2]
    if not len(learnt):
        return [0, 0, image.shape[1] - 1, image.shape[0] - 1]
    first, last = learnt.min(axis=0), learnt.max(axis=0)
    return [*first, *(last - first)]


def _text(poses: list[np.ndarray]) -> str:
    learnt = [int(pose[:, 2].sum()) for pose in poses]
    if len(poses) == 1:
        return f'{learnt[0]} of {len(poses[0])} keypoints'
    return f'{len(poses)} poses, {sum(learnt)} keypoints'
