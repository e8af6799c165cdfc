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

    So heat on people of a crowd costs nothing, as in HigherHRNet's, DEKR's and CID's official code.
    And the mask reaches the head: the codecs of DEKR and CID name the fields that are packed, and
    mmpose's do not name this one.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        results = super().transform(results)
        if fields := results.get('field_mapping_table'):
            results['field_mapping_table'] = {**fields, 'heatmap_mask': 'heatmap_mask'}
        return results

    def _segs_to_mask(self, segs: Sequence[Any], img_shape: tuple[int, int]) -> np.ndarray:
        """The union (H, W) of what COCO calls segmentations: polygons and run lengths.

        Of fewer than three points is no polygon: pycocotools fails on it.
        """
        polygons: list[Any] = []
        for seg in segs:
            if seg and not isinstance(seg, dict):
                polygons += seg if isinstance(seg[0], list | tuple) else [seg]
        mask = super()._segs_to_mask([[p] for p in polygons if len(p) >= 6], img_shape)
        for seg in segs:
            if isinstance(seg, dict):
                encoded = isinstance(seg['counts'], str | bytes)
                rle = seg if encoded else cocomask.frPyObjects(seg, *img_shape)
                mask = np.maximum(mask, cocomask.decode(rle))
        return mask
