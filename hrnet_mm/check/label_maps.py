"""The label maps of a segmentation, and what a sample of them holds."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from hrnet_mm.base.config import name_of
from hrnet_mm.check import images
from hrnet_mm.check.sources import Source

MOST_MAPS = 1000


@dataclass
class LabelMaps:
    """The images and label maps of a dataset, and what a sample of the maps holds.

    Attributes:
        image_paths, paths: of each pair.
        counts: how many of the maps that were read hold each value.
        holder: the first map with each value.
        values: the values of each map that was read.
        faults: what is wrong with maps as files.
    """

    image_paths: list[str]
    paths: list[str]
    counts: Counter[int] = field(default_factory=Counter)
    holder: dict[int, str] = field(default_factory=dict)
    values: list[frozenset[int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return self.image_paths


def read_label_maps(source: Source) -> LabelMaps:
    """List the pairs as the host does, and read a sample of the maps."""
    pairs = source.dataset.load_data_list()
    maps = LabelMaps(
        [pair['img_path'] for pair in pairs], [pair.get('seg_map_path', '') for pair in pairs]
    )
    in_colors = any(
        name_of(transform) == 'LoadAnnotations' and transform.get('imdecode_backend') == 'cv2'
        for transform in source.pipeline
    )
    pixels = 0
    for number in images.spread(len(pairs), MOST_MAPS):
        if maps.paths[number] and os.path.isfile(maps.paths[number]) and pixels < images.PIXELS:
            pixels += add_map(maps, number, in_colors)
    return maps


def add_map(maps: LabelMaps, number: int, in_colors: bool) -> int:
    """Read one label map; the number of its pixels."""
    path = maps.paths[number]
    try:
        with Image.open(path) as image:
            labels, mode = np.asarray(image), image.mode
    except Exception as error:
        maps.faults.append(f'{path} cannot be read as a label map: {error}')
        return 0
    if mode == 'P' and in_colors:
        maps.faults.append(
            f"{path} has a palette, whose colors imdecode_backend='cv2' reads in place of the "
            "numbers of classes: write imdecode_backend='pillow'"
        )
        return labels.size
    if labels.ndim != 2:
        maps.faults.append(
            f'{path} has {labels.shape[-1]} channels ({mode}); a label map has one channel, with '
            'the number of the class of each pixel, not its color'
        )
        return labels.size
    size = images.header_size(maps.image_paths[number])
    if size is not None and size != labels.shape[::-1]:
        turned = ': width and height are exchanged' if size == labels.shape else ''
        maps.faults.append(
            f'{path} is {labels.shape[1]}x{labels.shape[0]}, but its image '
            f'{maps.image_paths[number]} is {size[0]}x{size[1]}{turned}; a label map has '
            'the size of its image'
        )
    found = frozenset(np.unique(labels).tolist())
    maps.values.append(found)
    maps.counts.update(found)
    for value in found:
        maps.holder.setdefault(value, path)
    return labels.size
