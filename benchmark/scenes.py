"""Random scenes for the grouping of people: heat maps and tags as a network might predict them."""

from __future__ import annotations

import numpy as np


def random_scene(
    seed: int,
    people: int,
    size: tuple[int, int],
    num_keypoints: int = 17,
    num_tags: int = 1,
    sigma: float = 2.0,
    noise: float = 0.01,
    spread: float = 1.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Heat maps (K, H, W) and tags (K, T, H, W), float32, of people who overlap.

    Args:
        seed: of the scene.
        people: how many; a quarter of their keypoints has too little heat to be a candidate.
        size: height and width.
        num_keypoints, num_tags: K and T.
        sigma: of a keypoint's Gaussian, in pixels.
        noise: the standard deviation of the heat elsewhere; 0.04 makes false candidates.
        spread: of the people's tags; at 1.5 many have nearly the same.
    """
    random = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    heat = random.normal(0, noise, (num_keypoints, height, width)).astype(np.float32)
    tags = random.normal(0, 0.3, (num_keypoints, num_tags, height, width)).astype(np.float32)
    for _ in range(people):
        tag = random.normal(0, spread, num_tags)
        centre, extent = random.uniform(0, (width, height)), random.uniform(0.05, 0.2) * min(size)
        for k in range(num_keypoints):
            place = random.normal(centre, extent)
            squares = (x - place[0]) ** 2 + (y - place[1]) ** 2
            near = squares < (4 * sigma) ** 2
            own = tag + random.normal(0, 0.1, num_tags)
            tags[k, :, near] = own + random.normal(0, 0.02, (int(near.sum()), num_tags))
            peak = random.uniform(0.3, 1) if random.random() < 0.75 else random.uniform(0.02, 0.09)
            blob = (peak * np.exp(-squares / (2 * sigma**2))).astype(np.float32)
            np.maximum(heat[k], blob, out=heat[k])
    return heat, tags
