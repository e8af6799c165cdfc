"""Non-maximum suppression of boxes: the indices that mmcv's compiled operators give.

The arithmetic is that of the compiled operators, operation by operation in float32: two boxes whose
overlap is near the threshold suppress each other here if they do there.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hrnet_mm.standins.accelerated import torchvision_operator

BLOCK = 64  # boxes compared with all later ones at a time: 64 x 2000 overlaps fit in a cache


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """The indices of kept boxes, by descending score.

    Boxes are (N, 4) as x1, y1, x2, y2; a side is ``x2 - x1 + offset`` long, with offset 0 or 1.
    """
    threshold = float(np.float32(iou_threshold))
    on_device = torchvision_operator('nms', boxes.device)
    if on_device is not None and offset == 0:
        return on_device(boxes, scores, threshold)
    order = scores.sort(dim=0, descending=True)[1]
    best_first = boxes[order].detach().cpu()
    corners = np.ascontiguousarray(as_floats(best_first).numpy().T)
    kept = np.zeros(len(boxes), bool)
    with np.errstate(all='ignore'):  # 0 / 0 of boxes without area
        for group in separate_groups(corners, threshold, offset):
            kept[group] = keep(corners[:, group], threshold, offset)
    return order[torch.from_numpy(kept).to(order.device)]


def as_floats(values: Tensor) -> Tensor:
    """Float64 as it is, anything else as float32."""
    return values if values.dtype == torch.float64 else values.float()


def separate_groups(corners: np.ndarray, threshold: float, offset: int) -> list[np.ndarray]:
    """Indices of boxes, ascending, in groups whose boxes share no column of the image.

    Hosts shift boxes of each class and each level aside, so that there is such a group for each.
    """
    if threshold < 0 or corners.shape[1] <= BLOCK:
        return [np.arange(corners.shape[1])]
    by_left = np.argsort(corners[0], kind='stable')
    left, right = corners[0][by_left], np.maximum.accumulate(corners[2][by_left])
    starts = np.flatnonzero(right[:-1] - left[1:] + offset <= 0) + 1
    return [np.sort(group) for group in np.split(by_left, starts)]


def keep(corners: np.ndarray, threshold: float, offset: int) -> np.ndarray:
    """Which boxes stay, of (4, N) in descending order of their scores."""
    count = corners.shape[1]
    areas = areas_of(corners, offset)
    alive = np.ones(count, bool)
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        block = start + np.flatnonzero(alive[start:end])
        overlaps = overlaps_of(corners, areas, block, block, offset) > threshold
        for i, box in enumerate(block):
            if alive[box]:
                alive[block[i + 1 :][overlaps[i, i + 1 :]]] = False
        block = block[alive[block]]
        rest = end + np.flatnonzero(alive[end:])
        overlaps = overlaps_of(corners, areas, block, rest, offset) > threshold
        alive[rest[overlaps.any(axis=0)]] = False
    return alive


def areas_of(corners: np.ndarray, offset: int) -> np.ndarray:
    left, top, right, bottom = corners
    return (right - left + offset) * (bottom - top + offset)


def overlaps_of(
    corners: np.ndarray, areas: np.ndarray, boxes: np.ndarray, others: np.ndarray, offset: int
) -> np.ndarray:
    """Intersection over union of each of ``boxes`` with each of ``others``."""
    left, top, right, bottom = corners[:, boxes, None]
    other_left, other_top, other_right, other_bottom = corners[:, others]
    shared = np.minimum(right, other_right)
    shared -= np.maximum(left, other_left)
    height = np.minimum(bottom, other_bottom)
    height -= np.maximum(top, other_top)
    for side in (shared, height):
        if offset:
            side += offset
        np.maximum(side, 0, out=side)
    shared *= height
    union = areas[boxes, None] + areas[others]
    union -= shared
    shared /= union
    return shared


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """For each kept box its index and those of the boxes that it suppresses, by descending score.

    ``dets`` is (N, 5): the corners and the score.
    """
    order = dets[:, 4].contiguous().sort(dim=0, descending=True)[1].numpy()
    corners = np.ascontiguousarray(as_floats(dets).numpy()[order, :4].T)
    areas = areas_of(corners, 0)
    alive = np.ones(len(order), bool)
    groups = []
    with np.errstate(all='ignore'):
        for i in range(len(order)):
            if alive[i]:
                rest = i + 1 + np.flatnonzero(alive[i + 1 :])
                overlaps = overlaps_of(corners, areas, np.array([i]), rest, 0)[0]
                suppressed = rest[overlaps >= iou_threshold]
                alive[suppressed] = False
                groups.append(order[[i, *suppressed]].tolist())
    return groups


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lower the scores of boxes that overlap a better one; the indices of those that stay.

    Method 0 drops them, 1 is linear, 2 Gaussian. The boxes and their new scores are written into
    the first rows of ``dets``, (N, 5). Of equal scores the first in the list wins, so that entries
    are swapped as the compiled operator swaps them.
    """
    rows = torch.cat((boxes, scores[:, None]), 1).detach()
    rows = as_floats(rows).numpy().copy()
    indices, areas = np.arange(len(rows)), areas_of(rows[:, :4].T, offset)
    count = len(rows)
    i = 0
    with np.errstate(all='ignore'):
        while i < count:
            best = i + int(np.argmax(rows[i:count, 4]))
            for values in (rows, indices, areas):
                values[[i, best]] = values[[best, i]]
            others = np.arange(i + 1, count)
            overlaps = overlaps_of(rows[:, :4].T, areas, np.array([i]), others, offset)[0]
            if method == 2:
                rows[i + 1 : count, 4] *= np.exp(-(overlaps**2) / overlaps.dtype.type(sigma))
            else:
                lowered = 1 - overlaps if method == 1 else np.zeros_like(overlaps)
                rows[i + 1 : count, 4] *= np.where(overlaps >= iou_threshold, lowered, 1)
            for position in others[rows[i + 1 : count, 4] < min_score]:
                # The last entry that stays takes the place of one that goes.
                while count > position and rows[count - 1, 4] < min_score:
                    count -= 1
                if position < count:
                    for values in (rows, indices, areas):
                        values[position] = values[count - 1]
                    count -= 1
            i += 1
    dets[:count] = torch.from_numpy(rows[:count]).to(dets.dtype)
    return torch.from_numpy(indices[:count])
