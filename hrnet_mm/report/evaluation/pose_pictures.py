"""Labelled and predicted poses in the same image."""

from __future__ import annotations

from typing import Any

import numpy as np

from hrnet_mm.predict.canvas import bgr_colors
from hrnet_mm.predict.drawing import draw_poses
from hrnet_mm.predict.results import best_where_nothing_is_drawn
from hrnet_mm.report.evaluation.cases import Case

SCORE_THR = 0.3  # keypoints that score less are not drawn


class PosePictures:
    """Draws with the names and colours of a dataset.

    Args:
        meta: of the dataset, as mmpose parses it.
    """

    def __init__(self, meta: dict[str, Any]) -> None:
        self._links = meta['skeleton_links']
        self._link_colors = bgr_colors(meta['skeleton_link_colors'])
        self._colors = bgr_colors(meta['keypoint_colors'])

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        """The label, the prediction, and a remark where all scores are low: then all are drawn."""
        best = best_where_nothing_is_drawn(case.prediction, SCORE_THR)
        remark = '' if best is None else f'no keypoint scores {SCORE_THR:g}, the best {best:.2g}'
        label = self._drawn(image, case.label, 0.5)
        return label, self._drawn(image, case.prediction, SCORE_THR if best is None else 0), remark

    def _drawn(self, image: np.ndarray, record: dict[str, Any], score_thr: float) -> np.ndarray:
        look = self._links, self._link_colors, self._colors
        return draw_poses(image, record['instances'], *look, score_thr)


def names_of(meta: dict[str, Any]) -> list[str]:
    """The keypoints' names, in their order."""
    names = meta['keypoint_id2name']
    return [names[i] for i in sorted(names)]
