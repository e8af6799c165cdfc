"""The rules of grouping once more, step by step as the references go: what ours is set against.

Nothing here is ours but what ``People`` holds; the assignment is munkres', the maximum PyTorch's.
"""

from __future__ import annotations

import numpy as np
import torch
from munkres import Munkres

ORDER = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
TOP, THRESHOLD, CAP = 30, 0.1, 30


def plain_group(
    heatmaps: np.ndarray, tags: np.ndarray, variant: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, H, W) and (K, T, H, W) -> (n, K, 2), (n, K) and (n,), as ``grouping.group`` does."""
    num_keypoints = len(heatmaps)
    tags = np.ascontiguousarray(np.moveaxis(tags, 1, -1))  # (K, H, W, T)
    order = ORDER if num_keypoints == 17 else range(num_keypoints)
    people = join(top_pixels(heatmaps), tags, order, CAP if variant == 'official' else None)
    if variant == 'mmpose':
        people = people[:CAP]
    keypoints = np.zeros((len(people), num_keypoints, 2), np.float32)
    scores = np.zeros((len(people), num_keypoints), np.float32)
    adjusted = quarter if variant == 'official' else quarter_inside
    for n, person in enumerate(people):
        for k, (x, y, score) in person.items():
            keypoints[n, k] = adjusted(heatmaps[k], x, y)
            scores[n, k] = score
    person_scores = scores.mean(1)
    for n in range(len(people)):
        fill(heatmaps, tags, keypoints[n], scores[n], variant)
    return keypoints, scores, person_scores


def top_pixels(heatmaps: np.ndarray) -> list[list[tuple[int, int, np.float32]]]:
    """(x, y, heat) of the highest peaks of each map."""
    heat = torch.from_numpy(heatmaps)[None]
    heat = heat * (torch.nn.functional.max_pool2d(heat, 5, 1, 2) == heat).float()
    width = heat.shape[3]
    values, places = heat[0].flatten(1).topk(min(TOP, width * heat.shape[2]))
    return [
        [(i % width, i // width, v) for v, i in zip(vs, ps, strict=True) if v > THRESHOLD]
        for vs, ps in zip(values.numpy(), places.tolist(), strict=True)
    ]


def join(tops, tags: np.ndarray, order, cap: int | None) -> list[dict]:
    """People as {keypoint: (x, y, heat)}, in the order in which they were found."""
    people, tags_of = {}, {}
    for k in order:
        own_tags = [tags[k, y, x] for x, y, _ in tops[k]]
        known = list(people)[:cap]
        pairs = {}
        if known and own_tags:
            means = [np.mean(tags_of[name], axis=0) for name in known]
            distance = np.zeros((len(own_tags), len(known)))
            for i, tag in enumerate(own_tags):
                for j, mean in enumerate(means):
                    distance[i, j] = np.sqrt(np.sum((tag.astype(float) - mean) ** 2))
            cost = np.round(distance) * 100 - np.float64([[v] for _, _, v in tops[k]])
            cost += 1e-6 * np.minimum(distance, 1) ** 2  # among equals, the nearest
            for i, j in Munkres().compute(cost.tolist()):
                if distance[i, j] < 1:
                    pairs[i] = known[j]
        for i, (top, tag) in enumerate(zip(tops[k], own_tags, strict=True)):
            if i in pairs:
                tags_of[pairs[i]].append(tag)
            else:
                tags_of[tag[0]] = [tag]
            people.setdefault(pairs.get(i, tag[0]), {})[k] = top
    return list(people.values())


def quarter(heat: np.ndarray, x: int, y: int) -> tuple[float, float]:
    height, width = heat.shape
    right = heat[y, min(x + 1, width - 1)] > heat[y, max(x - 1, 0)]
    below = heat[min(y + 1, height - 1), x] > heat[max(y - 1, 0), x]
    return x + 0.5 + (0.25 if right else -0.25), y + 0.5 + (0.25 if below else -0.25)


def quarter_inside(heat: np.ndarray, x: int, y: int) -> tuple[float, float]:
    height, width = heat.shape
    dx = dy = 0
    if 1 < x < width - 1 and y > 0:
        dx = np.sign(heat[y, x + 1] - heat[y, x - 1])
    if 1 < y < height - 1 and x > 0:
        dy = np.sign(heat[y + 1, x] - heat[y - 1, x])
    return x + 0.25 * dx + 0.5, y + 0.25 * dy + 0.5


def fill(
    heatmaps: np.ndarray, tags: np.ndarray, keypoints: np.ndarray, scores: np.ndarray, variant: str
) -> None:
    """Find what a person lacks, in place."""
    height, width = heatmaps.shape[1:]
    own = []
    for k in np.flatnonzero(scores > 0):
        x, y = keypoints[k].astype(int)
        own.append(tags[k, min(max(y, 0), height - 1), min(max(x, 0), width - 1)])
    mean = np.mean(own, axis=0)
    for k in np.flatnonzero(scores == 0):
        distance = np.round(((tags[k] - mean) ** 2).sum(axis=2) ** 0.5)
        factor = 1 if variant == 'official' else 100
        y, x = np.unravel_index(np.argmax(heatmaps[k] - distance * factor), (height, width))
        if variant == 'mmpose':
            keypoints[k] = x, y
            scores[k] = heatmaps[k, y, x]
        elif heatmaps[k, y, x] > 0:
            keypoints[k] = quarter(heatmaps[k], x, y)
            scores[k] = heatmaps[k, y, x]
