"""A COCO file as columns, read entry by entry: 118,000 images take a fraction of their JSON."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.annotations import annotation_entries
from hrnet_mm.base.polygons import place_fault, segmentation_fault

LOOKED_AT = 1000  # annotations whose mask and box are compared, and each thousandth after these
NOTHING = array('d', [float('nan')] * 4)


@dataclass
class CocoFile:
    """What the checks want to know of an annotation file.

    Attributes:
        path: the file.
        image_ids, names: of each image, as they stand there.
        sizes: (images, 2) width and height.
        ids, images_of, categories_of: of each annotation: its id, image_id and category_id.
        boxes: (annotations, 4), NaN where there is none or no numbers.
        areas: (annotations,), NaN where there is none.
        crowds, ignored: (annotations,) bool.
        with_keypoints, with_visible: (annotations,) bool: has a list; has a visible point in it.
        counts: of each annotation: num_keypoints, -1 where there is none.
        keypoints: (annotations, 3 K), NaN where an annotation has none or they are wrong.
        categories: as they stand there.
        faults: for a kind of fault, the annotations that have it and what is wrong with each.
        run_lengths: sizes (height, width) of segmentations in run lengths, by annotation.
    """

    path: Path
    image_ids: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sizes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    ids: list[Any] = field(default_factory=list)
    images_of: list[Any] = field(default_factory=list)
    categories_of: list[Any] = field(default_factory=list)
    boxes: Any = field(default_factory=lambda: array('d'))
    areas: Any = field(default_factory=lambda: array('d'))
    crowds: Any = field(default_factory=lambda: array('b'))
    ignored: Any = field(default_factory=lambda: array('b'))
    with_keypoints: Any = field(default_factory=lambda: array('b'))
    with_visible: Any = field(default_factory=lambda: array('b'))
    counts: Any = field(default_factory=lambda: array('l'))
    keypoints: Any = field(default_factory=lambda: array('f'))
    categories: list[Any] = field(default_factory=list)
    faults: dict[str, dict[int, str]] = field(default_factory=dict)
    run_lengths: dict[int, list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of annotations."""
        return len(self.ids)

    def name(self, number: int) -> str:
        return f'annotation {self.ids[number]!r}'

    def add_fault(self, kind: str, text: str) -> None:
        """Remember what is wrong with the annotation that is read now."""
        self.faults.setdefault(kind, {})[len(self.ids) - 1] = text

    @cached_property
    def image_numbers(self) -> np.ndarray:
        """(annotations,) where the image of each is in the list of images; -1: nowhere."""
        number_of = {image_id: number for number, image_id in enumerate(self.image_ids)}
        return np.array([number_of.get(image_id, -1) for image_id in self.images_of], int)


@dataclass(frozen=True)
class Wanted:
    """What is read of each annotation.

    Attributes:
        keypoint_keys: the lists that are joined to its keypoints; none: of detection.
        keypoints: their number K; 0 where their coordinates are not wanted.
        masks: whether segmentations are trained on.
        needed: keys that the host takes from every annotation.
        is_labelled: whether there has to be a list of annotations.
    """

    keypoint_keys: Sequence[str] = ()
    keypoints: int = 0
    masks: bool = False
    needed: Sequence[str] = ()
    is_labelled: bool = True


def read_coco_file(path: Path, wanted: Wanted) -> CocoFile:
    """Read the columns.

    Raises:
        UserError: it is no COCO file, or an entry lacks a key; what and where.
    """
    file = CocoFile(path)
    sizes = array('d')
    for name, position, entry in annotation_entries(
        path, bool(wanted.keypoint_keys), wanted.is_labelled
    ):
        if name == 'images' and position is not None:
            file.image_ids.append(entry['id'])
            file.names.append(entry['file_name'])
            sizes.extend(numbers((entry['width'], entry['height']), 2))
        elif name == 'annotations' and position is not None:
            add_annotation(file, entry, wanted)
        elif name == 'categories' and position is not None:
            file.categories.append(entry)
    file.sizes = np.array(sizes).reshape(-1, 2)
    file.boxes = np.array(file.boxes).reshape(-1, 4)
    file.areas, file.counts = np.array(file.areas), np.array(file.counts)
    for key in ('crowds', 'ignored', 'with_keypoints', 'with_visible'):
        setattr(file, key, np.array(getattr(file, key), bool))
    if wanted.keypoints:
        file.keypoints = np.array(file.keypoints).reshape(-1, 3 * wanted.keypoints)
    return file


def numbers(values: Any, length: int) -> array:
    """The values as numbers, NaN where they are none."""
    try:
        row = array('d', values)
    except TypeError:
        row = array('d')
    return row if len(row) == length else array('d', [float('nan')] * length)


def add_annotation(file: CocoFile, entry: Mapping[str, Any], wanted: Wanted) -> None:
    file.ids.append(entry['id'])
    file.images_of.append(entry['image_id'])
    file.categories_of.append(entry['category_id'])
    try:
        file.boxes.extend(array('d', entry['bbox']))
    except KeyError:
        file.boxes.extend(NOTHING)
    except TypeError:
        file.boxes.extend(NOTHING)
        file.add_fault('bbox', f'has the bbox {entry["bbox"]!r}')
    try:
        file.areas.append(entry['area'])
    except (KeyError, TypeError):
        file.areas.append(NOTHING[0])
    crowd = entry.get('iscrowd')
    file.crowds.append(bool(crowd))
    if crowd not in (0, 1, None):  # any text is true, '0' too
        file.add_fault('iscrowd', f'has the iscrowd {crowd!r}, not the number 0 or 1')
    file.ignored.append(bool(entry.get('ignore')))
    for key in wanted.needed:
        if key not in entry:
            file.add_fault('key', f'lacks {key!r}')
    if wanted.keypoint_keys:
        keypoints = entry.get('keypoints')
        file.with_keypoints.append('keypoints' in entry)
        file.with_visible.append(
            bool(keypoints)
            and entry.get('num_keypoints') != 0
            and (not isinstance(keypoints, list) or any(keypoints))
        )
    if wanted.keypoints:
        count = entry.get('num_keypoints', -1)
        file.counts.append(count if isinstance(count, int) else -1)
        add_keypoints(file, entry, wanted)
    if wanted.masks:
        segmentation = entry.get('segmentation')
        fault = segmentation_fault(segmentation)
        if fault is not None and not entry.get('iscrowd'):
            file.add_fault('segmentation', fault)
        elif fault is None and (len(file) <= LOOKED_AT or len(file) % LOOKED_AT == 0):
            fault = place_fault(segmentation, entry.get('bbox'))
            if fault is not None:
                file.add_fault('place', fault)
        if fault is None and isinstance(segmentation, dict):
            file.run_lengths[len(file) - 1] = segmentation['size']


def add_keypoints(file: CocoFile, entry: Mapping[str, Any], wanted: Wanted) -> None:
    """Three numbers for each keypoint, or a row of NaN and what is wrong with them."""
    length, row, fault = 3 * wanted.keypoints, array('f'), None
    for key in wanted.keypoint_keys:
        values = entry.get(key)
        try:
            row.extend(array('f', values))
        except (TypeError, OverflowError):
            if values is not None or key in entry:
                fault = keypoints_fault(key, values)
    if len(row) != length or fault is not None:
        if fault is None and len(row):
            fault = (
                f'has {len(row)} numbers in its keypoints, of {len(row) / 3:.3g} keypoints, not '
                f'{length}: x, y and visibility of the {wanted.keypoints} that metainfo names'
            )
        row = array('f', [float('nan')] * length)
    if fault is not None:
        file.add_fault('keypoints', fault)
    file.keypoints.extend(row)


def keypoints_fault(key: str, values: Any) -> str:
    if not isinstance(values, list):
        return f'has the {key} {values!r}, not a list of x, y and visibility of each'
    number, wrong = next(
        ((i, v) for i, v in enumerate(values) if not isinstance(v, int | float)), (0, values[:3])
    )
    return f'has {wrong!r} as number {number} of its {key}, not a number'


def reasons_to_skip(file: CocoFile, with_keypoints: bool, with_boxes: bool = True) -> np.ndarray:
    """Why the hosts leave out each annotation, the first reason; '' where they do not.

    Returns:
        (annotations,) str.
    """
    images = file.image_numbers
    left, top, width, height = file.boxes.T
    image_width, image_height = np.append(file.sizes, [[0, 0]], axis=0)[images].T
    with np.errstate(invalid='ignore'):
        right = np.minimum(left + width, image_width - 1)
        bottom = np.minimum(top + height, image_height - 1)
        inside = (right > np.maximum(left, 0)) & (bottom > np.maximum(top, 0))
    reasons = [(images < 0, 'of an image that is not listed'), (file.crowds, 'of a crowd')]
    if with_boxes:
        reasons.append((np.isnan(file.boxes).all(axis=1), 'without bbox'))
    if with_keypoints:
        reasons.append((~file.with_keypoints, 'without keypoints'))
        reasons.append((~file.with_visible, 'with no visible keypoint'))
    if with_boxes:
        reasons.append((~inside, 'with a box of no area inside its image'))
    conditions, texts = zip(*reasons, strict=True)
    return np.select(conditions, texts, default='')


def unusable(file: CocoFile, reasons: np.ndarray) -> str | None:
    """Say so if no annotation of a file is left, and why."""
    if (reasons == '').any():
        return None
    return f'{file.path} has no annotation that can be used: {listed(reasons) or "it is empty"}'


def listed(reasons: np.ndarray) -> str:
    """'2 of a crowd, 1 without bbox'."""
    counts = Counter(reasons[reasons != ''].tolist())
    return ', '.join(f'{number} {reason}' for reason, number in counts.most_common())


def most_common(values: Sequence[Any], shown: int = 3) -> str:
    return ', '.join(f'{value!r}' for value, _ in Counter(values).most_common(shown))
