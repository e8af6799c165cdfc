"""Targets of mmpretrain's models: the class, or the shares of several after mixing."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.structures import BaseDataElement

from hrnet_mm.predict.classes import classes_of
from hrnet_mm.predict.drawing import draw_class_list

LEAST = 0.005  # a share; label smoothing gives every class a little


def draw(
    image: np.ndarray, labels: BaseDataElement, meta: dict[str, Any]
) -> tuple[list[np.ndarray], str]:
    """The input with the names of its classes and their shares."""
    classes = classes_of(meta)
    if 'gt_score' in labels:
        shares = labels.gt_score.cpu().numpy()
        chosen = [label for label in np.argsort(-shares, kind='stable') if shares[label] >= LEAST]
        found = [(int(label), float(shares[label])) for label in chosen[:5]]
    else:
        found = [(label, 1.0) for label in labels.gt_label.tolist()]
    entries = [dict(category=classes.name(label), score=share) for label, share in found]
    picture = draw_class_list(image, entries, classes.names, 0)
    return [picture], ', '.join(f'{e["category"]} {e["score"]:.2f}' for e in entries)
