"""A small depth-buffered renderer of shaded tapered capsules and ellipsoids.

It draws one person into a buffer of its own: colours, depths, and which body part is on top.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

SUPERSAMPLING = 2  # samples per pixel and axis; the resolved colours are their mean

# (n, 3) local coordinates (left, along or down, forward) -> (n, 3) RGB in 0..255
Paint = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Light:
    """A distant light; ``direction`` is a unit vector (3,) towards it, ``ambient`` in 0..1."""

    direction: np.ndarray
    ambient: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> 'Light':
        """From above and somewhat from the viewer's side."""
        direction = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.2), 0.8])
        return cls(direction / np.linalg.norm(direction), rng.uniform(0.5, 0.75))

    def shade(self, normals: np.ndarray) -> np.ndarray:
        """Brightness (n, 1) of surfaces with unit normals (n, 3); grazing surfaces are darker."""
        diffuse = np.clip(normals @ self.direction, 0, 1)
        rim = 0.72 + 0.28 * normals[:, 2]
        return ((self.ambient + (1.2 - self.ambient) * diffuse) * rim)[:, None]


@dataclass(frozen=True)
class CrossSection:
    """The seen half of an elliptic tube, per unit of its half width; the default is round.

    With u in -1..1 across the outline and h = sqrt(1 - u**2), the surface lies
    ``slope * u + bulge * h`` in front of the axis, at (left, forward) = ``turn @ (u, h)`` of the
    ellipse's unit circle.
    """

    width: float = 1.0
    slope: float = 0.0
    bulge: float = 1.0
    turn: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))

    @classmethod
    def elliptic(cls, frame: np.ndarray, depth: float, across: np.ndarray) -> 'CrossSection':
        """Project an ellipse of half axes 1 (left) and ``depth`` (forward).

        Args:
            frame: rotation (3, 3) of the tube, columns left, down, forward.
            depth: half depth per half width.
            across: unit vector (2,) in the image, at right angles to the projected axis.
        """
        left, forward = frame[:, 0], depth * frame[:, 2]
        left_across, forward_across = left[:2] @ across, forward[:2] @ across
        width = float(np.hypot(left_across, forward_across))
        slope = (left_across * left[2] + forward_across * forward[2]) / width
        facing = left_across * forward[2] - forward_across * left[2]
        c, s, sign = left_across / width, forward_across / width, np.sign(facing)
        return cls(width, slope, abs(facing) / width, ((c, -sign * s), (s, sign * c)))


ROUND = CrossSection()


@dataclass(frozen=True)
class Layer:
    """A drawn person at the resolution of the image.

    Attributes:
        left, top: image position of the first pixel; may lie outside the image.
        color: (h, w, 3) float RGB, already multiplied by ``alpha``.
        alpha: (h, w) share of the pixel that is covered.
        part: (h, w) uint8, the part on top, 0 where there is none.
    """

    left: int
    top: int
    color: np.ndarray
    alpha: np.ndarray
    part: np.ndarray


class Sprite:
    """Depth buffer of one person.

    Args:
        low, high: corners (x, y) in pixels of the area to cover.
        light: shading of every part.
        unit: pixels per unit of the paints' ``along`` coordinate.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, light: Light, unit: float) -> None:
        self.left, self.top = np.floor(low).astype(int).tolist()
        width, height = (np.ceil(high).astype(int) - (self.left, self.top) + 1).tolist()
        self.light, self.unit = light, unit
        samples = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self._xs = self._positions(self.left, samples[1])
        self._ys = self._positions(self.top, samples[0])
        self._color = np.zeros((*samples, 3), np.float32)
        self._depth = np.full(samples, -np.inf, np.float32)
        self._part = np.zeros(samples, np.uint8)

    @staticmethod
    def _positions(start: int, count: int) -> np.ndarray:
        """Image coordinates of the samples; the centre of pixel i is at i."""
        centers = (np.arange(count, dtype=np.float32) + 0.5) / SUPERSAMPLING
        return start - 0.5 + centers

    def _window(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice]:
        x0, x1 = np.searchsorted(self._xs, (low[0], high[0]))
        y0, y1 = np.searchsorted(self._ys, (low[1], high[1]))
        return slice(y0, y1), slice(x0, x1)

    def tube(
        self,
        part: int,
        start: np.ndarray,
        end: np.ndarray,
        radii: tuple[float, float],
        paint: Paint,
        frame: np.ndarray | None = None,
        depth: float = 1.0,
    ) -> None:
        """Draw a tapered tube between two points (x, y, z).

        A round tube ends in half balls. With a ``frame`` (3, 3) the cross section is an ellipse
        of half width ``radii`` and ``depth`` times as deep, and the ends are flat.
        """
        axis = (end - start)[:2]
        length = max(float(np.hypot(*axis)), 1e-6)
        across = np.array([axis[1], -axis[0]]) / length
        section = ROUND if frame is None else CrossSection.elliptic(frame, depth, across)
        reach = max(radii) * section.width
        low, high = np.minimum(start, end)[:2] - reach, np.maximum(start, end)[:2] + reach
        rows, cols = self._window(low, high)

        x, y = self._xs[None, cols] - start[0], self._ys[rows, None] - start[1]
        t = (x * axis[0] + y * axis[1]) / length**2
        inside = True if frame is None else (t >= 0) & (t <= 1)
        t = np.clip(t, 0, 1)
        radius = radii[0] + (radii[1] - radii[0]) * t
        dx, dy = x - t * axis[0], y - t * axis[1]
        outline = radius * section.width
        distance2 = (dx**2 + dy**2) / outline**2
        where = np.nonzero(inside & (distance2 < 1))

        t, radius, outline = t[where], radius[where], outline[where]
        dx, dy = dx[where] / outline, dy[where] / outline
        h = np.sqrt(1 - distance2[where])
        u = dx * across[0] + dy * across[1]
        z = start[2] + t * (end[2] - start[2]) + radius * (section.slope * u + section.bulge * h)
        (lu, lh), (fu, fh) = section.turn
        along = t * (np.linalg.norm(end - start) / self.unit)
        local = np.stack([lu * u + lh * h, along, fu * u + fh * h], axis=1)
        normals = np.stack([dx, dy, h], axis=1)
        self._put(part, (where[0] + rows.start, where[1] + cols.start), z, normals, local, paint)

    def ellipsoid(
        self, part: int, center: np.ndarray, axes: np.ndarray, frame: np.ndarray, paint: Paint
    ) -> None:
        """Draw an ellipsoid of half ``axes`` (3,) in pixels, turned by ``frame`` (3, 3)."""
        reach = np.sqrt((frame[:2] ** 2) @ (axes**2))
        rows, cols = self._window(center[:2] - reach, center[:2] + reach)
        x, y = np.meshgrid(self._xs[cols] - center[0], self._ys[rows] - center[1])

        # |to_unit @ (x, y, z)| = 1 is a z^2 + 2 b z + c = 0, and the larger z is the one seen.
        to_unit = frame.T / axes[:, None]
        a = to_unit[:, 2] @ to_unit[:, 2]
        flat = x[..., None] * to_unit[:, 0] + y[..., None] * to_unit[:, 1]
        b = flat @ to_unit[:, 2]
        discriminant = b**2 - a * ((flat**2).sum(-1) - 1)
        where = np.nonzero(discriminant > 0)
        z = (np.sqrt(discriminant[where]) - b[where]) / a
        local = flat[where] + z[:, None] * to_unit[:, 2]
        normals = local @ to_unit
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        z = z + center[2]
        self._put(part, (where[0] + rows.start, where[1] + cols.start), z, normals, local, paint)

    def _put(
        self,
        part: int,
        where: tuple[np.ndarray, np.ndarray],
        z: np.ndarray,
        normals: np.ndarray,
        local: np.ndarray,
        paint: Paint,
    ) -> None:
        """Keep the samples that are nearer to the viewer than what is there."""
        nearer = z > self._depth[where]
        where = where[0][nearer], where[1][nearer]
        self._depth[where] = z[nearer]
        self._part[where] = part
        self._color[where] = paint(local[nearer]) * self.light.shade(normals[nearer])

    def resolve(self) -> Layer:
        """Average the samples of every pixel; the part is that of the pixel's first sample."""
        n = SUPERSAMPLING
        size = self._part.shape[1] // n, self._part.shape[0] // n
        color = cv2.resize(self._color, size, interpolation=cv2.INTER_AREA)
        covered = (self._part > 0).astype(np.float32)
        alpha = cv2.resize(covered, size, interpolation=cv2.INTER_AREA)
        return Layer(self.left, self.top, color, alpha, self._part[::n, ::n])
