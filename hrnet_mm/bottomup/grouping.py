"""Heat maps and tags to people: the grouping of associative embedding.

Newell et al., Associative Embedding (NeurIPS 2017), section 3.3, with the rules of HigherHRNet's
official parser (``lib/core/group.py`` of HRNet/HigherHRNet-Human-Pose-Estimation), or those of
mmpose's codec ``AssociativeEmbedding``:

1. The candidates of a keypoint are the 30 highest pixels above 0.1 that are the maximum of the
   5x5 pixels around them.
2. Keypoint after keypoint, from the head to the feet, the candidates are assigned to the people
   found so far at the least cost, ``100 * round(distance) - heat``. The distance is from the
   candidate's tags to the mean of the person's tags. From a distance of 1 on it is somebody new.
3. Adjust: a quarter of a pixel towards the higher neighbour, and half a pixel to its centre.
4. Refine: a keypoint that a person lacks goes to the pixel with the largest
   ``heat - round(distance)``.

Among equals ``torch.topk`` chooses in 1, as in the references, and the first pixel, row by row, is
taken in 4. Of assignments that cost the same, which rounding makes common, each reference takes
what its solver finds first; here it is the one with the least squares of distances below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.positions import adjustment, heat_at, places_of, refine

VARIANTS = ('official', 'mmpose')
# COCO's keypoints: face, shoulders, hips, elbows, wrists, knees, ankles. The official parser takes
# the first 14 for CrowdPose's.
COCO_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
NEARER = 1e-6  # of the cost, among equals: so little that scores which differ by more decide


@dataclass(frozen=True)
class GroupingRules:
    """The numbers of the rules, and whose they are.

    Attributes:
        variant: ``'official'``, or ``'mmpose'``. mmpose's differs: ``max_people`` cuts the list of
            people at the end, and not those whom candidates are assigned to; a pixel with equal
            neighbours, or on the border, is not moved; refine weighs the distance by 100, fills
            keypoints whatever the heat, and does not move them to a pixel's centre; and it takes
            a person's tags where adjust has left the keypoints, at times a pixel to the left.
        window: side of the square whose maximum a candidate is, odd.
        max_candidates: of a keypoint.
        threshold: candidates are higher.
        tag_threshold: from this distance on a candidate is somebody new.
        max_people: of an image, see ``variant``; None for any number.
        order: in which keypoints are assigned; None for the official parser's order of COCO's and
            CrowdPose's, else one after the other.
        adjust, refine: whether the third and the fourth rule apply.
        centre: of a pixel, added by adjust.
    """

    variant: str = 'official'
    window: int = 5
    max_candidates: int = 30
    threshold: float = 0.1
    tag_threshold: float = 1.0
    max_people: int | None = 30
    order: Sequence[int] | None = None
    adjust: bool = True
    refine: bool = True
    centre: float = 0.5

    def __post_init__(self) -> None:
        wrong = [
            ('variant', self.variant in VARIANTS, f'one of {", ".join(VARIANTS)}'),
            ('window', self.window > 0 and self.window % 2 == 1, 'odd'),
            ('max_candidates', self.max_candidates > 0, 'at least 1'),
            ('threshold', self.threshold >= 0, 'at least 0'),
            ('max_people', self.max_people is None or self.max_people > 0, 'at least 1, or None'),
        ]
        for name, is_right, must in wrong:
            if not is_right:
                raise UserError(f'grouping: {name} is {getattr(self, name)!r}; it must be {must}')

    def order_of(self, num_keypoints: int) -> Sequence[int]:
        """The keypoints in the order in which they are assigned.

        Raises:
            UserError: ``order`` has not each of them once.
        """
        order = self.order
        if order is None:
            known = num_keypoints in (17, 14)
            order = COCO_ORDER[:num_keypoints] if known else range(num_keypoints)
        if sorted(order) != list(range(num_keypoints)):
            raise UserError(
                f'grouping: order is {list(order)}; it must have each of the {num_keypoints} '
                f'keypoints, 0 to {num_keypoints - 1}, once'
            )
        return order


class People(NamedTuple):
    """The people of an image.

    Attributes:
        keypoints: (n, K, 2) float32, x and y in pixels of the map; 0 where there is none.
        scores: (n, K) float32, the heat of each; 0 where there is none.
        person_scores: (n,) float32, the mean of ``scores`` before refine.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    person_scores: np.ndarray


def group(heatmaps: np.ndarray, tags: np.ndarray, rules: GroupingRules) -> People:
    """The people in the maps of an image.

    A pixel with a number that is not finite, in the heat map or the tags of its keypoint, counts
    as one without heat.

    Args:
        heatmaps: (K, H, W), of the K keypoints.
        tags: (K, T, H, W), T numbers for each pixel: 2 in a test with flipped images.
        rules: how they are grouped.

    Raises:
        UserError: the maps have other shapes, or ``rules.order`` does not fit them.
    """
    heat, tag = np.asarray(heatmaps, np.float32), np.asarray(tags, np.float32)
    if heat.ndim != 3 or tag.ndim != 4 or heat.shape != (tag.shape[0], *tag.shape[2:]):
        raise UserError(
            f'grouping: heatmaps have the shape {heat.shape} and tags {tag.shape}; they must be '
            '(K, H, W) and (K, T, H, W)'
        )
    order = rules.order_of(len(heat))
    if not heat.size:
        shapes = (0, len(heat), 2), (0, len(heat)), (0,)
        return People(*(np.zeros(shape, np.float32) for shape in shapes))
    heat, tag = _finite(heat, tag)
    pixels = assign(find_candidates(heat, rules), heat, tag, order, rules)
    missing = pixels < 0
    scores = np.where(missing, np.float32(0), heat_at(heat, pixels))
    keypoints = places_of(heat, pixels)
    if rules.adjust:
        keypoints += adjustment(heat, pixels, rules.variant, rules.centre)
    keypoints[missing] = 0
    person_scores = scores.mean(1)
    if rules.refine and missing.any():
        refine(heat, tag, keypoints, scores, rules.variant, rules.centre)
    return People(keypoints, scores, person_scores)


def find_candidates(heat: np.ndarray, rules: GroupingRules) -> list[np.ndarray]:
    """The candidates of each keypoint, the highest first, as numbers of pixels, row by row.

    Args:
        heat: (K, H, W).
        rules: window, threshold and how many.
    """
    window = np.ones((rules.window, rules.window), np.uint8)
    candidates = []
    for x in heat:
        is_peak = x == cv2.dilate(x, window)
        found = np.flatnonzero(is_peak & (x > rules.threshold))
        values = x.flat[found]
        if len(np.unique(values)) == len(values):
            found = found[np.argsort(-values)][: rules.max_candidates]
        else:  # equal ones come in the order, and are cut, as torch.topk does
            peaks = torch.from_numpy(np.where(is_peak, x, 0)).flatten()
            values, found = peaks.topk(min(rules.max_candidates, len(peaks)))
            found = found[values > rules.threshold].numpy()
        candidates.append(found)
    return candidates


class _Person:
    """Somebody who is being put together.

    Attributes:
        pixels: (K,) the pixel of each keypoint, -1 where there is none yet.
        mean: (T,) of the tags.
    """

    def __init__(self, num_keypoints: int, num_tags: int) -> None:
        self.pixels = np.full(num_keypoints, -1)
        self.tags = np.empty((num_keypoints, num_tags), np.float32)
        self.num_tags = 0

    def add(self, keypoint: int, pixel: int, tag: np.ndarray) -> None:
        self.pixels[keypoint] = pixel
        self.tags[self.num_tags] = tag
        self.num_tags += 1
        self.mean = np.add.reduce(self.tags[: self.num_tags]) / np.float32(self.num_tags)


def assign(
    candidates: Sequence[np.ndarray],
    heat: np.ndarray,
    tags: np.ndarray,
    order: Sequence[int],
    rules: GroupingRules,
) -> np.ndarray:
    """The candidates of each person: (n, K) pixels, -1 where there is none.

    A person goes by the first number of the first tag, as in both references: a candidate that
    starts a person of the same number joins the one there is, and that person's mean starts anew.

    Args:
        candidates: of :func:`find_candidates`.
        heat: (K, H, W).
        tags: (K, T, H, W).
        order: in which keypoints are assigned.
        rules: thresholds and the number of people.
    """
    people: dict[float, _Person] = {}
    flat_tags = tags.reshape(*tags.shape[:2], -1)
    matched = rules.max_people if rules.variant == 'official' else None
    for k in order:
        pixels = candidates[k]
        new_tags = flat_tags[k].take(pixels, 1).T
        known = list(people.values())[:matched]
        whose = _match(new_tags, heat[k].flat[pixels], known, rules)
        for pixel, tag, number in zip(pixels, new_tags, whose, strict=True):
            if number >= 0:
                person = known[number]
            else:
                person = people.setdefault(float(tag[0]), _Person(len(heat), tags.shape[1]))
                person.num_tags = 0
            person.add(k, pixel, tag)
    found = [person.pixels for person in people.values()]
    if rules.variant == 'mmpose':
        found = found[: rules.max_people]
    return np.array(found, int).reshape(-1, len(heat))


def _match(
    tags: np.ndarray, heat: np.ndarray, people: Sequence[_Person], rules: GroupingRules
) -> np.ndarray:
    """The number of the person of each of m candidates, -1 for somebody new: (m,).

    Args:
        tags: (m, T).
        heat: (m,).
        people: whom they may be assigned to.
        rules: the threshold.
    """
    whose = np.full(len(tags), -1)
    if people and len(tags):
        means = np.stack([person.mean for person in people])
        distance = np.sqrt(np.square(tags[:, None].astype(float) - means).sum(2))
        far = NEARER * np.minimum(distance, rules.tag_threshold) ** 2
        cost = 100 * np.round(distance) - heat[:, None] + far
        rows, columns = linear_sum_assignment(cost)
        near = distance[rows, columns] < rules.tag_threshold
        whose[rows[near]] = columns[near]
    return whose


def _finite(heat: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with 0 at the pixels where one of them is not finite; the same arrays if none is."""
    if np.isfinite(heat.sum()) and np.isfinite(tags.sum()):
        return heat, tags
    is_right = np.isfinite(heat) & np.isfinite(tags).all(1)
    return np.where(is_right, heat, 0), np.where(is_right[:, None], tags, 0)
