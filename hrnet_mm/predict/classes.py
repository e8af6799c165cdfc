"""The names and colours of a model's classes, and what all predictors of classes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.structures import BaseDataElement

from hrnet_mm.base.config import datasets_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.canvas import bgr_colors
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.predictor import Predictor

GOLDEN_RATIO = 0.618034  # of the colour circle, from one class to the next


@dataclass(frozen=True)
class Classes:
    """What a model's labels stand for.

    Attributes:
        names: by label; empty where neither the checkpoint nor the config tells them.
        palette: (N, 3) uint8 BGR; empty where it is unknown, or not of as many colours as names.
    """

    names: tuple[str, ...]
    palette: np.ndarray

    def name(self, label: int) -> str:
        """The name of a label, for example ``'person'``; where no names are known, ``'0'``.

        Raises:
            UserError: there are names, but not as many.
        """
        if self.names and label >= len(self.names):
            raise UserError(
                f'the model gives class {label}, its dataset_meta names only {len(self.names)}'
            )
        return self.names[label] if self.names else str(label)

    def colors_up_to(self, label: int) -> np.ndarray:
        """The colours of all classes, and of the labels up to one: (N, 3) uint8 BGR.

        These are the palette's; without a palette, hues far apart for labels in a row.
        """
        number = max(len(self.names), label + 1)
        if len(self.palette) >= number:
            return self.palette[:number]
        hues = (np.arange(number) * GOLDEN_RATIO % 1 * 180).astype(np.uint8)
        hsv = np.stack([hues, np.full_like(hues, 200), np.full_like(hues, 230)], axis=1)
        return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0]


def read_classes(meta: dict[str, Any], cfg: Config) -> Classes:
    """Read the classes from the checkpoint, else the config's test dataset, else that's class.

    Args:
        meta: ``dataset_meta`` of the checkpoint, empty if it has none.
        cfg: a config with ``test_dataloader``.
    """
    return classes_of({**_config_meta(cfg), **meta})


def classes_of(meta: dict[str, Any]) -> Classes:
    """The classes that a dataset's meta names; without a palette that fits them, none."""
    names = tuple(meta.get('classes') or ())
    palette = meta.get('palette')
    if palette is None or isinstance(palette, str) or len(palette) != len(names):
        palette = []
    return Classes(names, bgr_colors(palette))


def _config_meta(cfg: Config) -> dict[str, Any]:
    dataset = next(datasets_of(cfg.test_dataloader))
    metainfo = dict(dataset.get('metainfo') or {})
    if dataset.get('classes') is not None:  # mmpretrain's shorter form
        metainfo['classes'] = dataset['classes']
    kind = dataset['type']
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
            kind = registry.get(kind)
    # The datasets' own way: over their METAINFO, and from a file where a path is given.
    return kind._load_metainfo(metainfo) if kind else metainfo


class ClassPredictor(Predictor):
    """A predictor whose model tells classes apart.

    Attributes:
        classes: their names and colours.
        drawing_of_classes: as ``drawing``, with the classes before its arguments.
    """

    drawing_of_classes: ClassVar[Callable[..., np.ndarray]]

    def __init__(self, model: HostModel, cfg: Config, batch_size: int | None) -> None:
        super().__init__(model, cfg, batch_size)
        self.classes = read_classes(model.meta, cfg)
        self.header = {'class_names': list(self.classes.names)}
        self.drawing = partial(self.drawing_of_classes, self.classes)

    def samples(self, frames: Sequence[Frame], field: str) -> Iterator[BaseDataElement]:
        """Run the model.

        Returns:
            The host's data sample for each frame, which has the field.

        Raises:
            UserError: the model gives something else.
        """
        for sample in self.model.predict([frame.loaded for frame in frames], self.batch_size):
            if field not in sample:
                kind = type(self.model.module).__name__
                found = ', '.join(sample.keys())
                raise UserError(f'the model, a {kind}, gives {found}, no {field}')
            yield sample
