"""Targets of mmseg's models: the label map, and the pixels that the loss ignores."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.structures import BaseDataElement

from hrnet_mm.predict.canvas import canvas_of
from hrnet_mm.predict.classes import classes_of
from hrnet_mm.report.label_maps import ignored_in, painted


def draw(
    image: np.ndarray, labels: BaseDataElement, meta: dict[str, Any]
) -> tuple[list[np.ndarray], str]:
    """The input, and the input under its label map; ignored pixels are hatched."""
    label_map = labels.gt_sem_seg.data.squeeze(0).cpu().numpy()
    classes = classes_of(meta)
    ignored = ignored_in(label_map, classes)
    present = [classes.name(label) for label in np.unique(label_map[~ignored])]
    text = ', '.join(present) or 'nothing is labelled'
    if ignored.any():
        text += f', {ignored.mean():.1%} ignored'
    return [canvas_of(image), painted(image, label_map, classes)], text
