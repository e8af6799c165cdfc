"""Checks of keypoint data, and that dataset, codec and network agree on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from hrnet_mm.base.coco_file import (
    CocoFile,
    FieldsToRead,
    listed,
    read_coco_file,
    reasons_to_skip,
    unusable,
)
from hrnet_mm.check import boxes, coco, keypoint_places
from hrnet_mm.check.evaluators import is_coco
from hrnet_mm.check.findings import Finding, first_of, note, stop, warn
from hrnet_mm.check.sources import Source

WHOLE_BODY = ('keypoints', 'foot_kpts', 'face_kpts', 'lefthand_kpts', 'righthand_kpts')
FACES = ('Face300WDataset', 'AFLWDataset', 'WFLWDataset')  # center and scale in place of bbox
# What a class takes of every annotation.
NEEDED = dict.fromkeys(FACES, ('center', 'scale', 'num_keypoints', 'iscrowd'))
NEEDED['CocoWholeBodyDataset'] = (*WHOLE_BODY, 'num_keypoints', 'iscrowd', 'segmentation')


def read(source: Source) -> CocoFile:
    """Read the annotation file.

    Raises:
        UserError: it cannot be used at all.
    """
    keys = WHOLE_BODY if source.reader.name == 'CocoWholeBodyDataset' else ('keypoints',)
    number = source.dataset.metainfo['num_keypoints']
    return read_coco_file(
        Path(source.dataset.ann_file),
        FieldsToRead(keys, number, needed=NEEDED.get(source.reader.name, ())),
    )


def check_data(cfg: Config, source: Source, file: CocoFile) -> Iterator[Finding]:
    """What is wrong with a file."""
    numbers = file.image_numbers
    yield from coco.check_ids(file)
    yield from coco.check_keys(file)
    yield from coco.check_file_names(file)
    yield from coco.check_sizes(file)
    yield from coco.check_categories(file)
    yield from coco.check_images_of(file, numbers)
    if source.reader.name not in FACES:
        yield from boxes.check_box_numbers(file, needed=False)
        yield from boxes.check_duplicates(file, numbers)
        yield from boxes.check_box_convention(file, numbers)
        yield from boxes.check_empty_boxes(file)
    is_scored = source.phase != 'train' and is_coco(cfg, source.phase)
    yield from boxes.check_areas(file, is_scored, 'the AP of keypoints is measured by')
    yield from check_keypoint_lists(file)
    yield from check_visibility(file)
    yield from keypoint_places.check_coordinates(file, numbers)
    yield from check_names(source, file)
    yield from check_shape(cfg, file)
    yield from check_usable(file, reasons_of(source, file))


def reasons_of(source: Source, file: CocoFile) -> np.ndarray:
    return reasons_to_skip(file, True, with_boxes=source.reader.name not in FACES)


def check_keypoint_lists(file: CocoFile) -> Iterator[Finding]:
    """Each annotation has K times x, y and visibility, all of them finite numbers."""
    faults = file.faults.get('keypoints', {})
    yield from first_of(stop, list(faults), lambda i: f'{file.path}: {file.name(i)} {faults[i]}')
    wrong = ~np.isfinite(file.keypoints)
    rows = np.flatnonzero(wrong.any(axis=1) & ~np.isnan(file.keypoints).all(axis=1))
    yield from first_of(
        stop, rows, lambda i: f'{file.path}: {file.name(i)} has keypoints that are not finite'
    )


def check_visibility(file: CocoFile) -> Iterator[Finding]:
    """Visibility is 0, 1 or 2, and somebody is visible."""
    xy, visible = keypoint_places.points_of(file)
    wrong = np.flatnonzero(((visible < 0) | (visible > 2)).any(axis=1))
    level = stop if len(wrong) > coco.MOST * len(file) else warn

    def text(i: int) -> str:
        k = int(np.flatnonzero((visible[i] < 0) | (visible[i] > 2))[0])
        return (
            f'{file.path}: {file.name(i)} has the visibility {visible[i, k]:g} at number '
            f'{3 * k + 2} of its keypoints; it is 0 (not labelled), 1 (hidden) or 2 (visible)'
        )

    yield from first_of(level, wrong, text)
    unseen = np.flatnonzero((xy > 0).any(axis=(1, 2)) & (visible <= 0).all(axis=1))
    if len(unseen) and len(unseen) > coco.MOST * (xy > 0).any(axis=(1, 2)).sum():
        yield stop(
            f'{file.path}: {file.name(unseen[0])} has keypoints with x and y and the visibility 0, '
            f'as {len(unseen) - 1} more have: points of visibility 0 are not trained on; write 2'
        )
    uncounted = np.flatnonzero((file.counts == 0) & (visible > 0).any(axis=1) & ~file.crowds)
    yield from first_of(
        warn,
        uncounted,
        lambda i: (
            f"{file.path}: {file.name(i)} has the 'num_keypoints' 0 and "
            f'{int((visible[i] > 0).sum())} visible keypoints: it is left out'
        ),
    )


def check_names(source: Source, file: CocoFile) -> Iterator[Finding]:
    """The keypoints that a category names are those of metainfo, in that order."""
    names = list(source.dataset.metainfo['keypoint_id2name'].values())
    for category in file.categories:
        theirs = category.get('keypoints') if isinstance(category, dict) else None
        if not isinstance(theirs, list) or not theirs:
            continue
        if source.reader.name == 'CocoWholeBodyDataset':
            names = names[: len(theirs)]
        where = f"{file.path}: the 'keypoints' of category {category.get('name')!r}"
        if len(theirs) != len(names):
            yield stop(
                f'{where} are {len(theirs)} names, and metainfo has {len(names)} keypoints '
                f'({coco.few(names, 5)}): write a metainfo of these names'
            )
        place = {plain(name): i for i, name in enumerate(names)}
        moved = [i for i, name in enumerate(theirs) if place.get(plain(name), i) != i]
        if moved and len(theirs) == len(names):
            i = moved[0]
            yield stop(
                f'{where} have {theirs[i]!r} as number {i}, where metainfo has {names[i]!r}, and '
                f'{theirs[i]!r} as number {place[plain(theirs[i])]}: bring metainfo in the order '
                'of the file'
            )
        bones = [bone for bone in category.get('skeleton') or [] if not is_bone(bone, len(theirs))]
        if bones:
            yield warn(
                f"{file.path}: the 'skeleton' of category {category.get('name')!r} has {bones[0]!r}"
                f', which are not two of the keypoints 1 to {len(theirs)}'
            )


def plain(name: Any) -> str:
    return str(name).lower().replace('-', '_').replace(' ', '_')


def is_bone(bone: Any, number: int) -> bool:
    return (
        isinstance(bone, list | tuple)
        and len(bone) == 2
        and all(isinstance(i, int) and 1 <= i <= number for i in bone)
    )


def check_shape(cfg: Config, file: CocoFile) -> Iterator[Finding]:
    """Upright people are not cut out lying, nor the other way round."""
    decoder = (cfg.model.get('head') or {}).get('decoder')
    size = decoder.get('input_size') if isinstance(decoder, Mapping) else None
    people = file.boxes[(file.boxes[:, 2:] > 0).all(axis=1) & ~file.crowds]
    if not isinstance(size, list | tuple) or len(size) != 2 or not len(people):
        return
    of_boxes, of_input = float(np.median(people[:, 2] / people[:, 3])), size[0] / size[1]
    if (of_boxes < 0.75 and of_input > 1.2) or (of_boxes > 1.33 and of_input < 0.83):
        yield warn(
            f'model.head.decoder.input_size is {tuple(size)}, (width, height), but half of the '
            f'boxes of {file.path} are {"higher" if of_boxes < 1 else "wider"} than '
            f'{of_boxes:.2f} in width to height: is it meant as {tuple(size)[::-1]}?'
        )


def check_usable(file: CocoFile, reasons: np.ndarray) -> Iterator[Finding]:
    """Somebody is left to train or to evaluate on; who is left out is counted."""
    fault = unusable(file, reasons)
    if fault is not None:
        yield stop(fault)
    elif listed(reasons):
        yield note(f'{file.path}: {len(file)} annotated people; left out: {listed(reasons)}')
