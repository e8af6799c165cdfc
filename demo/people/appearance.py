"""What a person looks like: skin, hair and clothes, as paints for the renderer.

Nothing here differs between a person's left and right side. Front and back do: the face, the
neckline and an open jacket are in front, hair and a backpack are behind.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from demo.people.body import HEAD_POINTS

SKINS = ((252, 222, 196), (240, 194, 160), (222, 170, 128), (194, 132, 90), (142, 88, 54),
         (96, 62, 42))  # fmt: skip
HAIRS = ((22, 18, 16), (62, 40, 24), (110, 70, 36), (204, 164, 92), (150, 62, 28),
         (176, 172, 166))  # fmt: skip
LUMINANCE = np.array([0.299, 0.587, 0.114])
EYE_LEFT, EYE_DOWN, _ = HEAD_POINTS['left_eye']
PATTERNS = ('plain', 'rings', 'stripes', 'checks')


def sample_color(rng: np.random.Generator) -> np.ndarray:
    """A random colour (3,), RGB in 0..255, of any hue, more often pale than loud."""
    hsv = rng.random(), 0.9 * rng.random() ** 1.5, rng.uniform(0.2, 1.0)
    return 255 * np.array(colorsys.hsv_to_rgb(*hsv))


@dataclass(frozen=True)
class Plain:
    """A paint of one colour (3,)."""

    color: np.ndarray

    def __call__(self, local: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.color, local.shape)


@dataclass(frozen=True)
class Cloth:
    """A patterned paint of two colours; ``period`` is in body heights along the limb."""

    color: np.ndarray
    second: np.ndarray
    pattern: str
    period: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> 'Cloth':
        """Most clothes are plain."""
        pattern = str(rng.choice(PATTERNS, p=(0.75, 0.12, 0.07, 0.06)))
        return cls(sample_color(rng), sample_color(rng), pattern, rng.uniform(0.035, 0.08))

    def __call__(self, local: np.ndarray) -> np.ndarray:
        if self.pattern == 'plain':
            return np.broadcast_to(self.color, local.shape)
        rings = (local[:, 1] / self.period) % 1 < 0.5
        stripes = np.arctan2(local[:, 0], local[:, 2]) * 2.5 % 1 < 0.4
        second = {'rings': rings, 'stripes': stripes, 'checks': rings ^ stripes}[self.pattern]
        return np.where(second[:, None], self.second, self.color)


@dataclass(frozen=True)
class Shirt:
    """The torso's paint: cloth with a neckline and perhaps an open jacket's strip in front.

    ``neckline`` is its depth in body heights, ``opening`` the strip's share of the half width.
    """

    cloth: Cloth
    skin: np.ndarray
    neckline: float
    opening: float

    def __call__(self, local: np.ndarray) -> np.ndarray:
        left, down, forward = local.T
        strip = (forward > 0) & (np.abs(left) < self.opening)
        neck = (forward > 0) & (np.abs(left) < 0.5 * (1 - down / self.neckline))
        color = np.where(strip[:, None], self.cloth.second, self.cloth(local))
        return np.where(neck[:, None], self.skin, color)


@dataclass(frozen=True)
class Face:
    """The head's paint: hair above and behind a plane, and eyes, brows and a mouth in front."""

    skin: np.ndarray
    hair: np.ndarray
    hairline: float
    cap: np.ndarray | None

    def __call__(self, local: np.ndarray) -> np.ndarray:
        left, down, forward = local.T
        beside, below = np.abs(np.abs(left) - EYE_LEFT), down - EYE_DOWN  # from the nearer eye
        features = (
            (np.hypot(left / 0.30, (down - 0.54) / 0.09) < 1, self.skin * (0.68, 0.36, 0.36)),
            (np.hypot(beside / 0.24, below / 0.17) < 1, (238, 238, 232)),
            (np.hypot(beside, below) < 0.14, (30, 24, 22)),
            ((beside < 0.22) & (np.abs(below + 0.25) < 0.05), 0.8 * self.hair),
        )
        color = np.tile(self.skin, (len(local), 1))
        for where, tint in features:
            color[where & (forward > 0)] = tint
        color[0.62 * forward + 0.78 * down < self.hairline] = self.hair
        if self.cap is not None:
            color[down < -0.45] = self.cap
        return color


@dataclass(frozen=True)
class Look:
    """Everything about a person's appearance that does not depend on the pose.

    ``build`` scales the thickness of limbs and torso, ``fit`` that of the clothed legs.
    """

    skin: Plain
    hair: Plain
    face: Face
    shirt: Shirt
    upper_arm: Plain | Cloth
    forearm: Plain | Cloth
    thigh: Cloth
    shank: Plain | Cloth
    shoe: Plain
    long_hair: bool
    backpack: Plain | None
    build: float
    fit: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> 'Look':
        """A random person; the hair always stands out against the skin."""
        skin = np.clip(SKINS[rng.integers(len(SKINS))] + rng.normal(0, 8, 3), 20, 255)
        contrast = [hair for hair in HAIRS if abs((skin - hair) @ LUMINANCE) > 45]
        hair = np.clip(contrast[rng.integers(len(contrast))] + rng.normal(0, 6, 3), 5, 255)
        cap = sample_color(rng) if rng.random() < 0.15 else None
        top, bottom, bare = Cloth.sample(rng), Cloth.sample(rng), Plain(skin)
        opening = rng.uniform(0.15, 0.4) if rng.random() < 0.3 else 0.0
        sleeves, legs = rng.random(2)
        return cls(
            skin=bare,
            hair=Plain(hair),
            face=Face(skin, hair, rng.uniform(-0.12, 0.06), cap),
            shirt=Shirt(top, skin, rng.uniform(0.02, 0.07), opening),
            upper_arm=bare if sleeves < 0.15 else top,
            forearm=bare if sleeves < 0.7 else top,
            thigh=bottom,
            shank=bare if legs < 0.5 else bottom,
            shoe=Plain(sample_color(rng) * 0.7),
            long_hair=bool(rng.random() < 0.4),
            backpack=Plain(sample_color(rng)) if rng.random() < 0.12 else None,
            build=rng.uniform(1.1, 1.4),
            fit=rng.uniform(0.95, 1.2),
        )
