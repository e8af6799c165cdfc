"""Between people and maps: what a network learns, and the people in what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmpose.codecs.base import BaseKeypointCodec

from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.grouping import GroupingRules, People, group


class HeatmapsAndTags(BaseKeypointCodec):
    """Heatmaps of one resolution, and where each person's tags are.

    A pixel of a map is a square: a point at 3.9 is in pixel 3, and a person found there stands at
    3.5. mmpose's own codec rounds to 4 and adds the half again when it decodes. A model of several
    resolutions has one codec for each in ``GenerateTarget(multilevel=True)``.

    Args:
        input_size: width and height of the image that the network sees.
        heatmap_size: width and height of the maps; an nth part of it.
        sigma: of a keypoint's Gaussian, in pixels of the map.
        max_num_people: the most in an image.
        grouping: of what is predicted, other arguments of ``GroupingRules``.

    Raises:
        UserError: the sizes do not fit, or an image has more people.

    Example:
        >>> codec = HeatmapsAndTags((512, 512), (128, 128))
        >>> target = codec.encode(np.float32([[[15.9, 4]]]), np.float32([[1]]))
        >>> target['keypoint_indices'].tolist()  # 1 * 128 + 3, and it is visible
        [[[131, 1]]]
    """

    # mmpose packs no ``keypoint_indices`` unless the codec says so.
    label_mapping_table = dict(keypoint_indices='keypoint_indices')

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: float = 2,
        max_num_people: int = 30,
        grouping: dict[str, Any] | None = None,
    ) -> None:
        self.input_size, self.heatmap_size = tuple(input_size), tuple(heatmap_size)
        self.stride = self.input_size[0] // self.heatmap_size[0]
        if any(n != m * self.stride for n, m in zip(input_size, heatmap_size, strict=True)):
            raise UserError(
                f'heatmap_size={self.heatmap_size} must be input_size={self.input_size} divided by '
                'the same whole number in width and height, such as (128, 128) of (512, 512)'
            )
        self.max_num_people = max_num_people
        self.rules = GroupingRules(max_people=max_num_people, **grouping or {})
        self._gaussian = gaussian(sigma)

    def encode(
        self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None
    ) -> dict[str, Any]:
        """The targets of an image.

        Args:
            keypoints: (P, K, 2) in pixels of the image that the network sees.
            keypoints_visible: (P, K), above 0.5 where they are annotated. Default: all are.

        Returns:
            ``heatmaps`` (K, H, W), the highest Gaussian of all people in each pixel, and
            ``keypoint_indices`` (P, K, 2): y * W + x, and whether it is visible and in the map.
        """
        width, height = self.heatmap_size
        # Towards zero, as the official code: a point at -0.9 is in pixel 0.
        places = (keypoints[..., :2] / self.stride).astype(np.int64)
        visible = ((places >= 0) & (places < (width, height))).all(axis=-1)
        if keypoints_visible is not None:
            visible &= keypoints_visible > 0.5
        self._check_number(int(visible.any(axis=1).sum()))
        heatmaps = np.zeros((keypoints.shape[1], height, width), np.float32)
        for person, keypoint in np.argwhere(visible):
            self._draw(heatmaps[keypoint], *places[person, keypoint])
        indices = np.where(visible, places[..., 1] * width + places[..., 0], 0)
        return dict(heatmaps=heatmaps, keypoint_indices=np.stack([indices, visible], axis=-1))

    def _check_number(self, people: int) -> None:
        if people > self.max_num_people:
            raise UserError(
                f'an image has {people} people with keypoints, more than the '
                f'max_num_people={self.max_num_people} of the codec: write '
                f'max_num_people={people} or more, wherever the codec stands'
            )

    def _draw(self, heatmap: np.ndarray, x: int, y: int) -> None:
        """Raise a map (H, W) to a Gaussian around a pixel."""
        radius = len(self._gaussian) // 2
        (top, left), (height, width) = (max(0, y - radius), max(0, x - radius)), heatmap.shape
        bottom, right = min(height, y + radius + 1), min(width, x + radius + 1)
        here = heatmap[top:bottom, left:right]
        rows = slice(top - y + radius, bottom - y + radius)
        columns = slice(left - x + radius, right - x + radius)
        np.maximum(here, self._gaussian[rows, columns], out=here)

    def decode(self, encoded: tuple[np.ndarray, np.ndarray]) -> People:
        """The people in an image's heatmaps (K, H, W) and tags (K, T, H, W), of any size.

        Their keypoints are in pixels of these maps.
        """
        return group(*encoded, self.rules)


def gaussian(sigma: float) -> np.ndarray:
    """(2r + 1, 2r + 1), 1 in the middle, up to r = 3 sigma + 1 pixels from it."""
    distances = np.arange(-int(3 * sigma + 1), int(3 * sigma + 1) + 1) ** 2
    squares = distances[:, None] + distances
    return np.exp(-squares / (2 * sigma**2)).astype(np.float32)
