"""Checks of boxes and masks, and that classes are the same in file, config and heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from hrnet_mm.base.annotations import few, no_class_of
from hrnet_mm.base.coco_file import CocoFile, FieldsToRead, listed, read_coco_file, reasons_to_skip
from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check import boxes, coco
from hrnet_mm.check.classes import (
    check_names,
    check_numbers,
    check_same_names,
    names_of,
    nearest,
    numbers_of_classes,
)
from hrnet_mm.check.evaluators import evaluators_of
from hrnet_mm.check.findings import Finding, first_of, note, stop, warn
from hrnet_mm.check.sources import Source


def read(source: Source) -> CocoFile:
    """Read the annotation file.

    Raises:
        UserError: it cannot be used at all.
    """
    needed = () if source.phase == 'train' else ('iscrowd',)  # by the COCO evaluation
    fields = FieldsToRead(masks=needs_masks(source), needed=needed, is_labelled=source.is_labelled)
    return read_coco_file(Path(source.dataset.ann_file), fields)


def needs_masks(source: Source) -> bool:
    """Whether masks are trained on, or evaluated."""
    return any(
        name_of(transform) == 'LoadAnnotations' and transform.get('with_mask')
        for transform in source.pipeline
    )


def check_config(cfg: Config, sources: Sequence[Source]) -> Iterator[Finding]:
    numbers = []
    if 'language_model' not in cfg.model:  # such detectors take any classes, and count words
        yield from check_same_names(sources)
        numbers = list(numbers_of_classes(cfg.model, 'model', cfg.get('default_scope')))
    told = False
    for source in sources:
        yield from check_names(source)
        if names_of(source) and not told:
            told = True
            yield from check_numbers(numbers, len(names_of(source)), source)
        yield from check_masks_are_loaded(cfg, source)
    yield from check_class_weights(cfg)


def check_class_weights(cfg: Config) -> Iterator[Finding]:
    """A box head without sigmoid has a weight for each class and one for the background."""
    heads = (cfg.model.get('roi_head') or {}).get('bbox_head')
    for number, head in enumerate(as_list(heads)):
        loss, classes = head.get('loss_cls') or {}, head.get('num_classes')
        weights = loss.get('class_weight')
        if not isinstance(weights, list | tuple) or loss.get('use_sigmoid') or not classes:
            continue
        if len(weights) != classes + 1:
            suffix = f'[{number}]' if isinstance(heads, list | tuple) else ''
            yield stop(
                f'model.roi_head.bbox_head{suffix}.loss_cls.class_weight has {len(weights)} '
                f'numbers, but needs {classes + 1}: one for each of the '
                f'{classes} classes, and the last for the background'
            )


def check_masks_are_loaded(cfg: Config, source: Source) -> Iterator[Finding]:
    """Who learns or is judged by masks is given some."""
    heads = cfg.model.get('roi_head') or {}
    has_head = bool(heads.get('mask_head'))
    is_train = source.phase == 'train' and source.is_labelled
    if is_train and has_head and not needs_masks(source):
        yield stop(
            f'model.roi_head has a mask_head, but {source.key}.pipeline loads no masks: write '
            "dict(type='LoadAnnotations', with_bbox=True, with_mask=True)"
        )
    for key, evaluator in evaluators_of(cfg, source.phase):
        if heads and not has_head and 'segm' in as_list(evaluator.get('metric')):
            yield stop(f"{key}.metric has 'segm', but model.roi_head has no mask_head")


def check_data(cfg: Config, source: Source, file: CocoFile) -> Iterator[Finding]:
    """What is wrong with a file."""
    numbers = file.image_numbers
    yield from coco.check_ids(file)
    yield from coco.check_keys(file)
    yield from coco.check_file_names(file)
    yield from coco.check_sizes(file)
    yield from coco.check_categories(file)
    yield from coco.check_images_of(file, numbers)
    yield from boxes.check_box_numbers(file, needed=True)
    yield from boxes.check_duplicates(file, numbers)
    yield from boxes.check_box_convention(file, numbers)
    yield from boxes.check_empty_boxes(file)
    if not source.is_labelled and not len(file):
        return
    yield from boxes.check_areas(file, True, 'mmdet reads')
    yield from check_classes(source, file)
    yield from check_crowds(file)
    yield from check_segmentations(source, file, numbers)
    yield from check_samples(source, file, numbers)


def check_classes(source: Source, file: CocoFile) -> Iterator[Finding]:
    """The classes are the file's categories, in its order: mmdet numbers them as the file does."""
    classes = names_of(source)
    theirs = [
        str(category.get('name')) for category in file.categories if isinstance(category, dict)
    ]
    if not classes or len(theirs) < len(file.categories):
        return
    if not theirs:
        yield stop(f"{file.path} lacks the list 'categories', which gives classes their ids")
        return
    fault = no_class_of(file.path, theirs, classes)
    if fault is not None:
        yield stop(fault)
        return
    for name in [name for name in classes if name not in theirs][:1]:
        yield stop(
            f'{file.path} has no category {name!r}, which {source.key}.metainfo.classes names'
            f'{nearest(name, theirs)} The file has {few(theirs, 12)}: classes are numbered as '
            'the file lists them, so a class that is missing shifts all behind it'
        )
        return
    order = [name for name in theirs if name in classes]
    if order != list(classes):
        yield stop(
            f'{file.path} lists the categories {few(order, 12)}, but '
            f'{source.key}.metainfo.classes is {few(classes, 12)}: mmdet numbers classes in the '
            "file's order, so write classes in that order in the config, and list the categories "
            'of all files alike'
        )
    used = {category['id'] for category in file.categories if category['name'] in classes}
    left = sum(category not in used for category in file.categories_of)
    if left == len(file):
        yield stop(f'{file.path} has no annotation of the classes {few(classes)}')
    elif left:
        yield note(f'{file.path}: {left} annotations are of other categories than the classes')


def check_crowds(file: CocoFile) -> Iterator[Finding]:
    """Somebody is no crowd: crowds are not trained on."""
    crowds = file.crowds | file.ignored
    if len(file) and crowds.all():
        yield stop(
            f'{file.path}: all {len(file)} annotations have iscrowd=1 (or ignore), which are not '
            'trained on: crowds are left out. Write iscrowd=0; masks in run lengths may have it'
        )
    elif crowds.any():
        yield note(f'{file.path}: {crowds.sum()} of {len(file)} annotations are of crowds')


def check_segmentations(source: Source, file: CocoFile, numbers: np.ndarray) -> Iterator[Finding]:
    """Where masks are trained on, each annotation has one, of the size of its image."""
    faults = file.faults.get('segmentation', {})
    single = len(file) - file.crowds.sum()
    level = stop if len(faults) > coco.MOST * single else warn
    yield from first_of(
        level,
        list(faults),
        lambda i: f'{file.path}: {file.name(i)} {faults[i]}; it is not trained on',
    )
    astray = file.faults.get('place', {})
    level = stop if len(astray) > coco.MOST * single > 1 else warn
    yield from first_of(level, list(astray), lambda i: f'{file.path}: {file.name(i)} {astray[i]}')
    wrong = [
        i
        for i, size in file.run_lengths.items()
        if numbers[i] >= 0 and list(size) != file.sizes[numbers[i]][::-1].tolist()
    ]
    yield from first_of(
        stop,
        wrong,
        lambda i: (
            f'{file.path}: {file.name(i)} has a segmentation with the size '
            f'{file.run_lengths[i]}, but its image has [height, width] '
            f'{coco.shown(file.sizes[numbers[i]][::-1])}'
        ),
    )


def samples(source: Source, file: CocoFile) -> np.ndarray:
    """(images,) bool: which images are read, after the dataset's own filter."""
    keep = np.ones(len(file.names), bool)
    filtering = source.cfg.get('filter_cfg') or {}
    if source.cfg.get('test_mode'):
        return keep
    with np.errstate(invalid='ignore'):
        keep &= file.sizes.min(axis=1) >= filtering.get('min_size', 0)
    if filtering.get('filter_empty_gt'):
        images = file.image_numbers
        classes = names_of(source)
        used = {
            category.get('id')
            for category in file.categories
            if isinstance(category, dict) and category.get('name') in classes
        }
        of_class = np.array([category in used for category in file.categories_of], bool)
        has_object = np.zeros(len(file.names) + 1, bool)
        has_object[images[of_class]] = True
        keep &= has_object[:-1]
    return keep


def check_samples(source: Source, file: CocoFile, numbers: np.ndarray) -> Iterator[Finding]:
    """Images and objects are left after filtering."""
    if not samples(source, file).any():
        yield stop(
            f'{file.path}: none of its {len(file.names)} images is left by {source.key}.filter_cfg='
            f'{dict(source.cfg.get("filter_cfg") or {})}: images with a side below min_size or '
            'without an object of the classes are left out'
        )
    reasons = reasons_to_skip(file, with_keypoints=False)
    if len(file) == 0 or (reasons != '').all() and not file.crowds.all():
        yield stop(
            f'{file.path} has no annotation that can be used: {listed(reasons) or "it is empty"}'
        )
