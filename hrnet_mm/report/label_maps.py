"""Label maps over their images, with the pixels that are no class."""

from __future__ import annotations

import numpy as np

from hrnet_mm.predict.canvas import canvas_of, enlarged, scale_of
from hrnet_mm.predict.classes import Classes
from hrnet_mm.predict.drawing import draw_label_map

HATCHING = 6  # pixels from one line to the next
IGNORED = 255  # in label maps whose classes have no names
NAME, COLOR = 'ignored', (128, 128, 128)


def painted(image: np.ndarray, labels: np.ndarray, classes: Classes) -> np.ndarray:
    """A label map over its image, with a legend; what is no class, and so ignored by losses, is
    hatched."""
    ignored = ignored_in(labels, classes)
    none = max(len(classes.names), int(labels[~ignored].max(initial=0)) + 1)
    shown = np.where(ignored, none, labels)
    names = (*(classes.name(label) for label in range(none)), NAME)
    colors = np.vstack([classes.colors_up_to(none - 1)[:none], [COLOR]]).astype(np.uint8)
    found, counts = np.unique(shown, return_counts=True)
    entries = [
        dict(label=int(found[i]), category=names[found[i]], share=counts[i] / shown.size)
        for i in np.argsort(-counts, kind='stable')
    ]
    picture = draw_label_map(image, shown, entries, colors, names)
    large = enlarged(ignored.astype(np.uint8), scale_of(image)) > 0
    height, width = large.shape
    below = picture[:height, :width]  # the legend stands beside it
    below[large] = canvas_of(image)[large]
    below[:] = hatched(below, large)
    return picture


def ignored_in(labels: np.ndarray, classes: Classes) -> np.ndarray:
    """Where a label map (H, W) has no class."""
    return labels >= len(classes.names) if classes.names else labels == IGNORED


def hatched(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """An image with black and white diagonal lines where (H, W) bool says so."""
    rows, columns = np.indices(where.shape, sparse=True)
    step = (rows + columns) % HATCHING
    marked = image.copy()
    marked[where & (step == 0)] = 0
    marked[where & (step == HATCHING // 2)] = 255
    return marked
