"""Random textured backgrounds, clutter, and things that stand in front of people.

Colours are float32 RGB arrays in 0..255; sizes are (width, height) in pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from demo.people.appearance import HAIRS, SKINS, sample_color


def noise(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Multi-scale noise (H, W) in about 0..1: coarse random grids plus ever finer, fainter ones."""
    width, height = size
    total, weight_sum = np.zeros((height, width), np.float32), 0.0
    roughness = rng.uniform(0.5, 0.95)
    for octave, cell in enumerate((96, 48, 24, 12, 6, 3)):
        grid = rng.random((height // cell + 2, width // cell + 2), dtype=np.float32)
        weight = roughness**octave
        total += weight * cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
        weight_sum += weight
    return np.clip((total / weight_sum - 0.5) * 2 + 0.5, 0, 1)


def ramp(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Coordinate (H, W) along a random direction, in pixels."""
    width, height = size
    angle = rng.uniform(0, np.pi)
    x = np.arange(width, dtype=np.float32) * np.cos(angle)
    y = np.arange(height, dtype=np.float32) * np.sin(angle)
    return np.float32(x[None, :] + y[:, None])


def texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A surface (H, W, 3): noise, a gradient, stripes or a checker board in two colours."""
    kind = rng.choice(('noise', 'gradient', 'stripes', 'checker'), p=(0.4, 0.3, 0.2, 0.1))
    rough = noise(rng, size)
    if kind == 'noise':
        share = rough
    elif kind == 'gradient':
        share = ramp(rng, size)
        share = (share - share.min()) / max(float(np.ptp(share)), 1.0)
    else:
        period = rng.uniform(10, 60)
        share = ((ramp(rng, size) / period) % 1 < rng.uniform(0.3, 0.7)).astype(np.float32)
        if kind == 'checker':
            share = np.abs(share - ((ramp(rng, size) / period) % 1 < 0.5))
        share = 0.8 * share + 0.2 * rough
    colors = np.float32([sample_color(rng), sample_color(rng)])
    # Bold patterns in two loud colours would drown the people, so their contrast varies.
    colors[1] = colors[0] + (colors[1] - colors[0]) * rng.uniform(0.15, 0.7)
    grain = rng.uniform(0, 30) * (rough - 0.5)
    image = share[..., None] * (colors[1] - colors[0]) + colors[0] + grain[..., None]
    return np.clip(image, 0, 255, out=image)


def background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """An empty scene (H, W, 3): a wall, often a floor, clutter and limb-like distractors."""
    image = texture(rng, size)
    if rng.random() < 0.6:
        horizon = int(size[1] * rng.uniform(0.35, 0.85))
        image[horizon:] = texture(rng, (size[0], size[1] - horizon))
    image = image.astype(np.uint8)  # OpenCV smooths the edges of what it draws in 8 bits only
    for _ in range(rng.integers(0, 9)):
        draw_clutter(rng, image)
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 6)):
            draw_bar(rng, image)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.0))
    return image.astype(np.float32)


def draw_clutter(rng: np.random.Generator, image: np.ndarray) -> None:
    """Blend one polygon or ellipse of a random colour into a uint8 image (H, W, 3), in place."""
    height, width = image.shape[:2]
    center = rng.uniform((0, 0), (width, height))
    reach = rng.uniform(0.03, 0.22) * min(height, width)
    color = sample_color(rng).tolist()
    shape = image.copy()
    if rng.random() < 0.5:
        corners = center + rng.uniform(-reach, reach, (rng.integers(3, 6), 2))
        cv2.fillPoly(shape, [corners.astype(np.int32)], color, cv2.LINE_AA)
    else:
        box = center.tolist(), rng.uniform(0.6 * reach, 2 * reach, 2).tolist(), rng.uniform(0, 180)
        cv2.ellipse(shape, box, color, -1, cv2.LINE_AA)
    opacity = rng.uniform(0.5, 1.0)
    cv2.addWeighted(shape, opacity, image, 1 - opacity, 0, dst=image)


def draw_bar(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a rounded bar in the colour of skin, hair or cloth into a uint8 image, in place."""
    height, width = image.shape[:2]
    start = rng.uniform((0, 0), (width, height))
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.3) * height
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    palette = np.array([*SKINS, *HAIRS, *(sample_color(rng) for _ in range(3))])
    color = palette[rng.integers(len(palette))].tolist()
    thickness = int(rng.uniform(0.02, 0.06) * height) + 2
    ends = np.rint([start, end]).astype(int).tolist()
    cv2.line(image, *ends, color, thickness, cv2.LINE_AA)


@dataclass(frozen=True)
class Occluder:
    """An opaque thing in front of everybody: its cover (H, W) in 0..1 and colours (H, W, 3)."""

    cover: np.ndarray
    color: np.ndarray


def sample_occluder(
    rng: np.random.Generator, size: tuple[int, int], target: np.ndarray, reach: float
) -> Occluder:
    """A textured box, ellipse or pole near a point.

    Args:
        rng: source of randomness.
        size: (width, height) of the image.
        target: (x, y) to stand in front of, about.
        reach: pixels; the height of the person it is meant to hide a part of.
    """
    width, height = size
    cover = np.zeros((height, width), np.uint8)
    kind = rng.choice(('box', 'ellipse', 'pole'))
    center = (target + rng.normal(0, 0.2, 2) * reach).tolist()
    extent = (reach * rng.uniform(0.15, 0.45, 2)).tolist()
    if kind == 'ellipse':
        cv2.ellipse(cover, (center, extent, rng.uniform(0, 180)), 255, -1, cv2.LINE_AA)
    else:
        if kind == 'pole':
            extent = reach * rng.uniform(0.05, 0.11), 4.0 * reach
        corners = cv2.boxPoints((center, extent, rng.uniform(-15, 15)))
        cv2.fillPoly(cover, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    return Occluder(cover.astype(np.float32) / 255, texture(rng, size))
