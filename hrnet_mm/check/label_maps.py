"""The label maps of a segmentation: what a sample of them holds, and checks of these values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from hrnet_mm.base.annotations import few
from hrnet_mm.base.config import name_of
from hrnet_mm.check import images
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.findings import Finding, note, stop, warn

IGNORED = 255  # mmseg's LoadAnnotations and losses ignore it unless the config says otherwise


@dataclass
class LabelMaps:
    """The images and label maps of a dataset, and what a sample of the maps holds.

    Attributes:
        image_paths, paths: of each pair.
        counts: how many of the maps that were read hold each value.
        holder: the first map with each value.
        number_read: how many maps were read.
        faults: what is wrong with maps as files.
    """

    image_paths: list[str]
    paths: list[str]
    counts: Counter[int] = field(default_factory=Counter)
    holder: dict[int, str] = field(default_factory=dict)
    number_read: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, number: int, in_colors: bool) -> int:
        """Read one label map.

        Args:
            number: of the pair.
            in_colors: whether the host takes the colors of a palette.

        Returns:
            How many pixels it has.
        """
        path = self.paths[number]
        try:
            with Image.open(path) as image:
                labels, mode = np.asarray(image), image.mode
        except Exception as error:
            self.faults.append(f'{path} cannot be read as a label map: {error}')
            return 0
        if mode == 'P' and in_colors:
            self.faults.append(
                f"{path} has a palette, whose colors imdecode_backend='cv2' reads in place of the "
                "numbers of classes: write imdecode_backend='pillow'"
            )
            return labels.size
        if labels.ndim != 2:
            self.faults.append(
                f'{path} has {labels.shape[-1]} channels ({mode}); a label map has one channel, '
                'with the number of the class of each pixel, not its color'
            )
            return labels.size
        size = images.header_size(self.image_paths[number])
        if size is not None and size != labels.shape[::-1]:
            turned = ': width and height are exchanged' if size == labels.shape else ''
            self.faults.append(
                f'{path} is {labels.shape[1]}x{labels.shape[0]}, but its image '
                f'{self.image_paths[number]} is {size[0]}x{size[1]}{turned}; a label map has '
                'the size of its image'
            )
        found = np.unique(labels).tolist()
        self.number_read += 1
        self.counts.update(found)
        for value in found:
            self.holder.setdefault(value, path)
        return labels.size


def labels_as_read(dataset: Dataset, values: Sequence[int]) -> dict[int, int]:
    """What each value of a file is for training: its class, or the ignored number."""
    label_map = dataset.built.label_map or {}
    result = {}
    for value in values:
        label = value % 256
        if dataset.built.reduce_zero_label:
            label = IGNORED if label in (0, IGNORED) else label - 1
        result[value] = label_map.get(label, label)
    return result


def check_values(dataset: Dataset, maps: LabelMaps) -> Iterator[Finding]:
    """Values are numbers of classes or ignored, and every class is there."""
    classes = dataset.classes
    ignored = dataset.built.ignore_index
    labels = labels_as_read(dataset, list(maps.counts))
    wrong = sorted(
        value
        for value, label in labels.items()
        if classes
        and value not in (ignored, IGNORED)
        and not 0 <= label < len(classes)
        and label not in (ignored, IGNORED)
        or value > IGNORED
        or value < 0
    )
    if wrong:
        yield stop(value_fault(dataset, maps, wrong))
        return
    seen = set(labels.values()) - {ignored, IGNORED}
    if not seen:
        yield stop(
            f'{maps.holder[next(iter(labels))]}, as all label maps, holds only ignored pixels'
        )
    elif len(classes) > 1 and IGNORED in maps.counts and len(seen) == 1 and len(maps.counts) == 2:
        yield stop(
            f'{maps.holder[IGNORED]} has only the values {sorted(maps.counts)}, as all that were '
            f'read: {IGNORED} is ignored and not an object, so there is one class to learn; '
            f'write the numbers of the classes, 0 to {len(classes) - 1}'
        )
    else:
        yield from check_classes_occur(dataset, maps, seen)


def value_fault(dataset: Dataset, maps: LabelMaps, wrong: Sequence[int]) -> str:
    classes, number = dataset.classes, len(dataset.classes)
    found = set(maps.counts) - {IGNORED}
    hint = f'write the numbers of the {number} classes, 0 to {number - 1}, and {IGNORED} to ignore'
    if found == set(range(1, number + 1)) or (0 not in found and max(found) == number):
        hint = 'they count from 1: take 1 off, or set reduce_zero_label=True where 0 is ignored'
    elif max(found) > IGNORED:
        hint = f'mmseg reads the lower 8 bits; {hint}'
    elif name_of(dataset.cfg) == 'CityscapesDataset':
        hint = f'these are labelIds and not labelTrainIds; {hint}'
    return (
        f'{maps.holder[wrong[0]]} has the value {wrong[0]}, but there are the classes 0 to '
        f'{number - 1} ({few(classes)}); all values of {maps.number_read} label maps: '
        f'{sorted(maps.counts)}: {hint}'
    )


def check_classes_occur(dataset: Dataset, maps: LabelMaps, seen: set[int]) -> Iterator[Finding]:
    """Every class is in some label map."""
    classes = dataset.classes
    absent = [name for number, name in enumerate(classes) if number not in seen]
    if not absent:
        return
    some = f'{maps.number_read} label maps of {dataset.built.data_prefix.get("seg_map_path")}'
    if len(classes) - 1 not in seen and dataset.built.reduce_zero_label and 0 in maps.counts:
        text = (
            f'{maps.holder[0]} and others have the values {sorted(maps.counts)}, of which '
            f'reduce_zero_label=True ignores 0 and takes 1 off the others, so the class '
            f'{absent[-1]!r} is nowhere: set reduce_zero_label=False if 0 is a class'
        )
    else:
        text = f'the class {", ".join(map(repr, absent[:5]))} is nowhere in {some}'
    # A class that only a large public dataset has all of is no mistake in a part of it.
    whole = maps.number_read == len(maps.paths)
    yield warn(text) if dataset.names_classes and whole and dataset.phase == 'train' else note(text)
