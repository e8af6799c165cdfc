"""Composes people, background and occluders into an image and its labels."""

from dataclasses import dataclass

import cv2
import numpy as np

from demo.people.appearance import Look
from demo.people.background import Occluder, background, sample_occluder
from demo.people.body import KEYPOINTS, Proportions, Skeleton, build_skeleton
from demo.people.figure import CLASS_OF_PART, PARTS_AT, Figure, draw_figure
from demo.people.poses import sample_pose
from demo.people.sprite import Layer, Light

MIN_VISIBLE = 0.25  # share of a person's own area that must be seen in the image
MIN_KEYPOINTS = 5  # keypoints inside the image
OCCLUDER_SHARE = 0.25  # of the images
# How many people there are, from one on.
PEOPLE_WEIGHTS = (0.40, 0.42, 0.18)
CROWD_WEIGHTS = (0.0, 0.3, 0.3, 0.25, 0.15)


@dataclass(frozen=True)
class Person:
    """Labels of one person in an image.

    Attributes:
        mask: (H, W) bool, where the person is on top.
        keypoints: (17, 3) of x, y, visibility as in COCO: 0 absent (and x = y = 0), 1 hidden,
            2 visible.
    """

    mask: np.ndarray
    keypoints: np.ndarray


@dataclass(frozen=True)
class Scene:
    """An image with its labels.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8, indices into ``SEGMENTATION_CLASSES``.
        people: everybody who was drawn, farthest first.
    """

    image: np.ndarray
    labels: np.ndarray
    people: list[Person]


def make_scene(rng: np.random.Generator, size: tuple[int, int], crowds: bool = False) -> Scene:
    """Draw one random scene with at least one person.

    Args:
        rng: the only source of randomness.
        size: (width, height) in pixels.
        crowds: two to five people, many in front of each other, and not one to three apart.
    """
    light = Light.sample(rng)
    people: list[Person] = []
    while len(people) < 1 + crowds:
        figures = sample_figures(rng, size, light, crowds)
        occluders = sample_occluders(rng, size, figures)
        figures, owner, part = drop_hidden(figures, occluders, size)
        people = [label_person(f, owner == i, part) for i, f in enumerate(figures, start=1)]
    image = background(rng, size)
    for figure in figures:
        cast_shadow(image, figure)
        paste(image, figure.layer)
    for occluder in occluders:
        image += occluder.cover[..., None] * (occluder.color - image)
    return Scene(expose(rng, image), CLASS_OF_PART[part], people)


def sample_figures(
    rng: np.random.Generator, size: tuple[int, int], light: Light, crowds: bool
) -> list[Figure]:
    """People, farthest (smallest) first, preferably apart from each other unless in crowds."""
    weights, places = (CROWD_WEIGHTS, 1) if crowds else (PEOPLE_WEIGHTS, 8)
    count = 1 + rng.choice(len(weights), p=weights)
    reference = min(size[1], 1.5 * size[0])
    shares = np.sort(rng.uniform(0.38, 0.9, count))
    figures, centers = [], []
    for share in shares:
        skeleton = build_skeleton(Proportions.sample(rng), sample_pose(rng), share * reference)
        candidates = rng.uniform(0.1, 0.9, places) * size[0]
        gaps = [min((abs(x - c) for c in centers), default=0.0) for x in candidates]
        centers.append(float(candidates[int(np.argmax(gaps))]))
        figures.append(
            draw_figure(place(rng, skeleton, size, centers[-1]), Look.sample(rng), light)
        )
    return figures


def place(
    rng: np.random.Generator, skeleton: Skeleton, size: tuple[int, int], x: float
) -> Skeleton:
    """Centre a body at ``x``; vertically into the image or, sometimes, across its edge."""
    low, high = skeleton.extent()
    room = size[1] - (high[1] - low[1])
    slack = 0.06 * skeleton.scale if rng.random() < 0.75 else -0.28 * skeleton.scale
    top = rng.uniform(*sorted((slack, room - slack)))
    return skeleton.moved(x - (low[0] + high[0]) / 2, top - low[1])


def sample_occluders(
    rng: np.random.Generator, size: tuple[int, int], figures: list[Figure]
) -> list[Occluder]:
    """No, one or two things in front of random people."""
    if rng.random() >= OCCLUDER_SHARE:
        return []
    occluders = []
    for _ in range(1 + (rng.random() < 0.3)):
        figure = figures[rng.integers(len(figures))]
        reach = float(np.ptp(figure.keypoints[:, 1]))
        occluders.append(sample_occluder(rng, size, figure.keypoints.mean(axis=0), reach))
    return occluders


def overlap(
    layer: Layer, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a layer lies in an image of ``shape`` (H, W, ...), and which part of it does."""
    top, left = max(layer.top, 0), max(layer.left, 0)
    bottom = max(min(layer.top + layer.part.shape[0], shape[0]), top)
    right = max(min(layer.left + layer.part.shape[1], shape[1]), left)
    inside = slice(top, bottom), slice(left, right)
    own = slice(top - layer.top, bottom - layer.top), slice(left - layer.left, right - layer.left)
    return inside, own


def stack(
    figures: list[Figure], occluders: list[Occluder], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Id buffers (H, W): who is on top (1 for the first figure, 0 for nobody), and which part."""
    owner, part = np.zeros((2, size[1], size[0]), np.uint8)
    for index, figure in enumerate(figures, start=1):
        inside, own = overlap(figure.layer, part.shape)
        drawn = figure.layer.part[own]
        owner[inside][drawn > 0] = index
        part[inside][drawn > 0] = drawn[drawn > 0]
    for occluder in occluders:
        owner[occluder.cover > 0.5] = part[occluder.cover > 0.5] = 0
    return owner, part


def drop_hidden(
    figures: list[Figure], occluders: list[Occluder], size: tuple[int, int]
) -> tuple[list[Figure], np.ndarray, np.ndarray]:
    """Remove the most hidden person until everybody who is left can be seen well enough.

    Returns the people who stay, and the id buffers of :func:`stack` for them.
    """
    figures = list(figures)
    while True:
        owner, part = stack(figures, occluders, size)
        shares = []
        for index, figure in enumerate(figures, start=1):
            seen = np.count_nonzero(owner == index) / np.count_nonzero(figure.layer.part)
            enough = np.count_nonzero(inside_image(figure, size)) >= MIN_KEYPOINTS
            shares.append(seen if enough else 0.0)
        if not figures or min(shares) >= MIN_VISIBLE:
            return figures, owner, part
        del figures[int(np.argmin(shares))]


def inside_image(figure: Figure, size: tuple[int, int]) -> np.ndarray:
    """Which of the 17 keypoints exist and lie on a pixel of the image."""
    pixels = np.rint(figure.keypoints)
    return figure.present & np.all((pixels >= 0) & (pixels < size), axis=1)


def label_person(figure: Figure, mask: np.ndarray, part: np.ndarray) -> Person:
    """Decide every keypoint's visibility by the id buffers (H, W) at its pixel."""
    keypoints = np.zeros((len(KEYPOINTS), 3))
    size = mask.shape[::-1]
    for index in np.flatnonzero(inside_image(figure, size)):
        x, y = np.clip(figure.keypoints[index], 0, np.array(size) - 1)
        pixel = round(y), round(x)
        on_top = mask[pixel] and part[pixel] in PARTS_AT[index]
        keypoints[index] = x, y, 2 if on_top and figure.facing[index] else 1
    return Person(mask, keypoints)


def cast_shadow(image: np.ndarray, figure: Figure) -> None:
    """Darken the ground at a person's feet, in place."""
    x, y, radius = figure.ground
    shade = np.zeros(image.shape[:2], np.float32)
    axes = (2 * radius, 0.5 * radius)
    cv2.ellipse(shade, ((x, y), axes, 0), 0.5, -1)
    image *= 1 - cv2.blur(shade, (9, 9))[..., None]


def paste(image: np.ndarray, layer: Layer) -> None:
    """Put a layer over an image (H, W, 3), in place."""
    inside, own = overlap(layer, image.shape)
    image[inside] = image[inside] * (1 - layer.alpha[own][..., None]) + layer.color[own]


def expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Photograph the scene: blur, brightness, contrast, colour cast and sensor noise -> uint8."""
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9))
    gain = np.float32(rng.uniform(0.85, 1.3) * rng.uniform(0.93, 1.07, 3))
    contrast, brightness = rng.uniform(0.8, 1.1), rng.uniform(-15, 15)
    image = image * (gain * contrast) + gain * (128 * (1 - contrast) + brightness)
    image += rng.uniform(0, 6) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)
