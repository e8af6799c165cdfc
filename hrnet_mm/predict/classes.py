"""The names and colours of a model's classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS

from hrnet_mm.base.config import datasets_of
from hrnet_mm.base.errors import UserError

GOLDEN_RATIO = 0.618034  # of the colour circle, from one class to the next


@dataclass(frozen=True)
class Classes:
    """What a model's labels stand for.

    Attributes:
        names: by label; empty where neither the checkpoint nor the config tells.
        palette: (N, 3) uint8 BGR; empty where unknown, or not of as many colours as names.
    """

    names: tuple[str, ...]
    palette: np.ndarray

    def name(self, label: int) -> str:
        """The name of a label; where no names are known, the label itself.

        Raises:
            UserError: there are names, but not as many.
        """
        if self.names and label >= len(self.names):
            raise UserError(
                f'the model gives class {label}, its dataset_meta names only {len(self.names)}'
            )
        return self.names[label] if self.names else str(label)

    def colors(self, number: int) -> np.ndarray:
        """Colours of the labels below a number, (number, 3) uint8 BGR.

        They are the palette's. Without one, hues far apart for labels that follow one another.
        """
        if len(self.palette) >= number:
            return self.palette[:number]
        hues = (np.arange(number) * GOLDEN_RATIO % 1 * 180).astype(np.uint8)
        hsv = np.stack([hues, np.full_like(hues, 200), np.full_like(hues, 230)], axis=1)
        return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0]


def read_classes(meta: dict[str, Any], cfg: Config) -> Classes:
    """The classes that the checkpoint names, else the config's test dataset, else that's class.

    Args:
        meta: ``dataset_meta`` of the checkpoint, empty if it has none.
        cfg: a config with ``test_dataloader``.
    """
    known = {**_config_meta(cfg), **meta}
    names = tuple(known.get('classes') or ())
    palette = known.get('palette')
    if palette is None or isinstance(palette, str) or len(palette) != len(names):
        palette = []
    return Classes(names, np.asarray(palette, np.uint8).reshape(-1, 3)[:, ::-1])


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
