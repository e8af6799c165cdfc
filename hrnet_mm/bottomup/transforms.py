"""mmpose's transforms where they do not give what the official code of bottom-up models does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmpose.datasets.transforms import bottomup_transforms
from xtcocotools import mask as cocomask

from hrnet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class BottomupGetHeatmapMask(bottomup_transforms.BottomupGetHeatmapMask):
    """mmpose's, which leaves out the crowds, as their regions are no polygons.

    So heat on people of a crowd costs nothing, as in the official code.
    """

    def _segs_to_mask(self, segs: Sequence[Any], img_shape: tuple[int, int]) -> np.ndarray:
        """The union (H, W) of what COCO calls segmentations: polygons and run lengths."""
        mask = super()._segs_to_mask([seg for seg in segs if seg], img_shape)
        for seg in segs:
            if isinstance(seg, dict):
                encoded = isinstance(seg['counts'], str | bytes)
                rle = seg if encoded else cocomask.frPyObjects(seg, *img_shape)
                mask = np.maximum(mask, cocomask.decode(rle))
        return mask


@TRANSFORMS.register_module()
class BottomupResize(bottomup_transforms.BottomupResize):
    """mmpose's, of which every scale shows the same part of the image, to the pixel.

    mmpose rounds the size of each scale up by itself, so that the maps of an image of 640 x 427 do
    not lie upon each other: 768 x 512 at the scale 1, and 384 x 256 + 64 at 0.5. Here the smallest
    is rounded up, and the others are that size enlarged, as the official code does.
    """

    def _get_input_size(
        self, img_size: tuple[int, int], input_size: tuple[int, int]
    ) -> tuple[tuple[float, float], tuple[int, int]]:
        """Of an image and of a scale, width and height: the size without and with padding."""
        least = min([1, *(self.aug_scales or [])])
        smallest = tuple(int(side * least) for side in self.input_size)
        sizes = super()._get_input_size(img_size, smallest)
        enlarged = input_size[0] / smallest[0]
        actual, padded = (tuple(side * enlarged for side in size) for size in sizes)
        return actual, tuple(map(round, padded))
