"""Where the keypoints of people are, to a quarter of a pixel; and those that they lack."""

from __future__ import annotations

import numpy as np

SAMPLE, TOP = 61, 16  # of a map: every 61st pixel says where the highest 1/16 begins


def adjustment(heat: np.ndarray, pixels: np.ndarray, variant: str, centre: float) -> np.ndarray:
    """A quarter of a pixel towards the higher neighbours, and to the centre: (n, K, 2)."""
    height, width = heat.shape[1:]
    y, x = np.divmod(np.maximum(pixels, 0), width)
    k = np.arange(len(heat))
    dx = heat[k, y, np.minimum(x + 1, width - 1)] - heat[k, y, np.maximum(x - 1, 0)]
    dy = heat[k, np.minimum(y + 1, height - 1), x] - heat[k, np.maximum(y - 1, 0), x]
    if variant == 'mmpose':  # its first two columns and rows, too, are a border
        dx = np.where((x > 1) & (x < width - 1) & (y > 0), np.sign(dx), 0)
        dy = np.where((y > 1) & (y < height - 1) & (x > 0), np.sign(dy), 0)
    else:
        dx, dy = (np.where(d > 0, 1, -1) for d in (dx, dy))
    return np.float32(0.25) * np.stack([dx, dy], -1).astype('f') + np.float32(centre)


def refine(
    heat: np.ndarray,
    tags: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    variant: str,
    centre: float,
) -> None:
    """Fill the keypoints with a score of 0, in place.

    Args:
        heat: (K, H, W).
        tags: (K, T, H, W).
        keypoints: (n, K, 2).
        scores: (n, K).
        variant, centre: of ``GroupingRules``.
    """
    present = scores > 0
    x, y = np.moveaxis(np.clip(keypoints.astype(int), 0, np.subtract(heat.shape[:0:-1], 1)), -1, 0)
    own_tags = tags[np.arange(len(heat)), :, y, x]  # (n, K, T)
    means = np.stack([own[found].mean(0) for own, found in zip(own_tags, present, strict=True)])
    weight = np.float32(1 if variant == 'official' else 100)
    pixels = np.zeros(scores.shape, int)
    for k in np.flatnonzero(~present.all(0)):
        lacking = ~present[:, k]
        flat_tags = tags[k].reshape(tags.shape[1], -1)
        pixels[lacking, k] = best_pixels(heat[k].ravel(), flat_tags, means[lacking], weight)
    found, places = heat_at(heat, pixels), places_of(heat, pixels)
    filled = ~present
    if variant == 'official':
        filled &= found > 0
        places += adjustment(heat, pixels, variant, centre)
    scores[filled], keypoints[filled] = found[filled], places[filled]


def best_pixels(
    heat: np.ndarray, tags: np.ndarray, means: np.ndarray, weight: np.float32
) -> np.ndarray:
    """The pixel with the largest ``heat - weight * round(distance)`` for each of p people: (p,).

    No pixel is worth more than its heat. So where the best of the highest pixels, 1/16 of the map,
    is worth more than the heat of all others, these are left out. Where it is not, those are left
    out whose heat is less than its worth, or whose first tag alone is too far.

    Args:
        heat: (H * W,).
        tags: (T, H * W).
        means: (p, T), the tags of the people.
    """
    sample = heat[::SAMPLE]
    level = np.partition(sample, -1 - len(sample) // TOP)[-1 - len(sample) // TOP]
    high = np.flatnonzero(heat > level)
    best, worth = np.zeros(len(means), int), np.full(len(means), -np.inf)
    if len(high):
        worths = _worth(heat[high], tags.take(high, 1), means, weight)
        best, worth = high[worths.argmax(1)], worths.max(1)
    for p in np.flatnonzero(worth <= level):
        reach = float(level - worth[p]) / float(weight) * 1.001 + 0.51
        near = np.flatnonzero((np.abs(tags[0] - means[p, 0]) <= reach) & (heat >= worth[p]))
        if len(near):
            worths = _worth(heat[near], tags.take(near, 1), means[p : p + 1], weight)[0]
            found = worths.argmax()
            if (worths[found], -near[found]) > (worth[p], -best[p]):
                best[p] = near[found]
    return best


def _worth(heat: np.ndarray, tags: np.ndarray, means: np.ndarray, weight: np.float32) -> np.ndarray:
    """(m,) heat, (T, m) tags and (p, T) people -> (p, m)."""
    squares = [np.square(tag - mean[:, None]) for tag, mean in zip(tags, means.T, strict=True)]
    return heat - weight * np.round(np.sqrt(sum(squares)))


def heat_at(heat: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(K, H, W) and (n, K) pixels -> (n, K)."""
    return heat.reshape(len(heat), -1)[np.arange(len(heat)), pixels]


def places_of(heat: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(n, K) pixels -> (n, K, 2), x and y."""
    y, x = np.divmod(pixels, heat.shape[2])
    return np.stack([x, y], -1).astype(np.float32)
