"""A COCO file as columns of numbers, read in a fraction of the memory that its JSON takes."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.annotations import (
    annotation_entries,
    keypoints_fault,
    place_fault,
    segmentation_fault,
)

COMPARED = 1000  # annotations whose mask and box are compared, and each thousandth after these
NO_BOX = array('d', [math.nan] * 4)


@dataclass
class CocoFile:
    """The columns of an annotation file: one entry for each image or each annotation.

    Attributes:
        path: the file.
        image_ids, names: the id and file_name of each image.
        sizes: (images, 2) width and height.
        ids, images_of, categories_of: the id, image_id and category_id of each annotation.
        boxes: (annotations, 4), NaN where there is none or no numbers.
        areas: (annotations,), NaN where there is none.
        crowds, ignored: (annotations,) bool.
        with_keypoints, with_visible: (annotations,) bool: has a list; has a visible point in it.
        counts: num_keypoints of each annotation, -1 where there is none.
        keypoints: (annotations, 3 K), NaN where an annotation has none or they are wrong.
        categories: the entries of that list.
        faults: by kind, what is wrong with which annotation, ``{'bbox': {3: 'has the bbox 7'}}``.
        run_lengths: [height, width] of each segmentation in run lengths, by annotation.
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
        """What messages call an annotation: ``annotation 1768``, by its id."""
        return f'annotation {self.ids[number]!r}'

    def add_fault(self, kind: str, text: str) -> None:
        """Note what is wrong with the annotation that was added last."""
        self.faults.setdefault(kind, {})[len(self.ids) - 1] = text

    @cached_property
    def image_numbers(self) -> np.ndarray:
        """(annotations,) the place of each one's image in the list of images; -1: it has none."""
        number_of = {image_id: number for number, image_id in enumerate(self.image_ids)}
        return np.array([number_of.get(image_id, -1) for image_id in self.images_of], int)


@dataclass(frozen=True)
class FieldsToRead:
    """What is read of each annotation.

    Attributes:
        keypoint_keys: the lists that are joined to its keypoints; none for detection.
        num_keypoints: the number K of keypoints; 0 where their coordinates are not read.
        masks: whether segmentations are read.
        needed: keys that the host takes from every annotation, for example ``('iscrowd',)``.
        is_labelled: whether the file needs a list of annotations.
    """

    keypoint_keys: Sequence[str] = ()
    num_keypoints: int = 0
    masks: bool = False
    needed: Sequence[str] = ()
    is_labelled: bool = True


def read_coco_file(path: Path, fields: FieldsToRead) -> CocoFile:
    """Read the columns of an annotation file.

    Raises:
        UserError: it is no COCO file, or an entry lacks a key; naming what and where.
    """
    file = CocoFile(path)
    sizes = array('d')
    for name, position, entry in annotation_entries(
        path, bool(fields.keypoint_keys), fields.is_labelled
    ):
        if name == 'images' and position is not None:
            file.image_ids.append(entry['id'])
            file.names.append(entry['file_name'])
            sizes.extend(numbers((entry['width'], entry['height']), 2))
        elif name == 'annotations' and position is not None:
            add_annotation(file, entry, fields)
        elif name == 'categories' and position is not None:
            file.categories.append(entry)
    file.sizes = np.array(sizes).reshape(-1, 2)
    file.boxes = np.array(file.boxes).reshape(-1, 4)
    file.areas, file.counts = np.array(file.areas), np.array(file.counts)
    for key in ('crowds', 'ignored', 'with_keypoints', 'with_visible'):
        setattr(file, key, np.array(getattr(file, key), bool))
    if fields.num_keypoints:
        file.keypoints = np.array(file.keypoints).reshape(-1, 3 * fields.num_keypoints)
    return file


def numbers(values: Any, length: int) -> array:
    """The values as numbers; ``length`` times NaN if they are others or not as many."""
    try:
        row = array('d', values)
    except TypeError:
        row = array('d')
    return row if len(row) == length else array('d', [math.nan] * length)


def add_annotation(file: CocoFile, entry: Mapping[str, Any], fields: FieldsToRead) -> None:
    """Append one annotation to the columns, and note what is wrong with it."""
    file.ids.append(entry['id'])
    file.images_of.append(entry['image_id'])
    file.categories_of.append(entry['category_id'])
    try:
        file.boxes.extend(array('d', entry.get('bbox', NO_BOX)))
    except TypeError:
        file.boxes.extend(NO_BOX)
        file.add_fault('bbox', f'has the bbox {entry["bbox"]!r}')
    try:
        file.areas.append(entry['area'])
    except (KeyError, TypeError):
        file.areas.append(math.nan)
    crowd = entry.get('iscrowd')
    file.crowds.append(bool(crowd))
    if crowd not in (0, 1, None):  # any text is true, '0' too
        file.add_fault('iscrowd', f'has the iscrowd {crowd!r}, not the number 0 or 1')
    file.ignored.append(bool(entry.get('ignore')))
    for key in fields.needed:
        if key not in entry:
            file.add_fault('key', f'lacks {key!r}')
    if fields.keypoint_keys:
        keypoints = entry.get('keypoints')
        file.with_keypoints.append('keypoints' in entry)
        file.with_visible.append(
            bool(keypoints)
            and entry.get('num_keypoints') != 0
            and (not isinstance(keypoints, list) or any(keypoints))
        )
    if fields.num_keypoints:
        count = entry.get('num_keypoints', -1)
        file.counts.append(count if isinstance(count, int) else -1)
        add_keypoints(file, entry, fields)
    if fields.masks:
        segmentation = entry.get('segmentation')
        fault = segmentation_fault(segmentation)
        if fault is not None and not entry.get('iscrowd'):
            file.add_fault('segmentation', fault)
        elif fault is None and (len(file) <= COMPARED or len(file) % COMPARED == 0):
            fault = place_fault(segmentation, entry.get('bbox'))
            if fault is not None:
                file.add_fault('place', fault)
        if fault is None and isinstance(segmentation, dict):
            file.run_lengths[len(file) - 1] = segmentation['size']


def add_keypoints(file: CocoFile, entry: Mapping[str, Any], fields: FieldsToRead) -> None:
    """Append three numbers for each keypoint, or as many NaN with a note of what is wrong."""
    length, row, fault = 3 * fields.num_keypoints, array('f'), None
    for key in fields.keypoint_keys:
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
                f'{length}: x, y and visibility of the {fields.num_keypoints} that metainfo names'
            )
        row = array('f', [math.nan] * length)
    if fault is not None:
        file.add_fault('keypoints', fault)
    file.keypoints.extend(row)


def reasons_to_skip(file: CocoFile, with_keypoints: bool, with_boxes: bool = True) -> np.ndarray:
    """The first reason why the hosts leave out each annotation.

    Returns:
        (annotations,) str, for example 'of a crowd'; '' where they do not leave it out.
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
    """Say why no annotation of a file is left; None if one is."""
    if (reasons == '').any():
        return None
    return f'{file.path} has no annotation that can be used: {listed(reasons) or "it is empty"}'


def listed(reasons: np.ndarray) -> str:
    """The reasons with their counts: '2 of a crowd, 1 without bbox'."""
    counts = Counter(reasons[reasons != ''].tolist())
    return ', '.join(f'{number} {reason}' for reason, number in counts.most_common())


def most_common(values: Sequence[Any]) -> str:
    """The three most frequent values, as they would be typed: "'person', 'car', 'dog'"."""
    return ', '.join(f'{value!r}' for value, _ in Counter(values).most_common(3))
