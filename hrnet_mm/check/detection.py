"""Checks of boxes and masks, and that classes are the same in file, config and heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from hrnet_mm.base.annotations import few, no_class_of
from hrnet_mm.base.coco_file import (
    CocoFile,
    FieldsToRead,
    read_coco_file,
    reasons_to_skip,
    unusable,
)
from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check.boxes import check_areas, check_boxes
from hrnet_mm.check.classes import check_classes, check_names, numbers_of_classes
from hrnet_mm.check.coco import MOST, check_entries, check_faults, check_run_lengths
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.evaluation import evaluators_of
from hrnet_mm.check.findings import Finding, keyed, nearest, note, stop, warn

FOLDERS = ('img',)  # that the host's class cannot do without


def read(dataset: Dataset) -> CocoFile:
    """Read the annotation file.

    Raises:
        UserError: it cannot be used at all.
    """
    needed = () if dataset.phase == 'train' else ('iscrowd',)  # by the COCO evaluation
    fields = FieldsToRead(
        masks=needs_masks(dataset), needed=needed, is_labelled=dataset.is_labelled
    )
    return read_coco_file(Path(dataset.built.ann_file), fields)


def needs_masks(dataset: Dataset) -> bool:
    """Whether masks are trained on, or evaluated."""
    return any(
        name_of(transform) == 'LoadAnnotations' and transform.get('with_mask')
        for transform in dataset.pipeline
    )


def check_config(cfg: Config, datasets: Sequence[Dataset]) -> Iterator[Finding]:
    if 'language_model' in cfg.model:  # such detectors take any classes, and count words
        for dataset in datasets:
            yield from check_names(dataset)
    else:
        numbers = list(numbers_of_classes(cfg.model, 'model', cfg.get('default_scope')))
        yield from check_classes(datasets, numbers)
    for dataset in datasets:
        yield from check_masks_are_loaded(cfg, dataset)
    yield from check_box_class_weights(cfg)


def check_box_class_weights(cfg: Config) -> Iterator[Finding]:
    """A box head without sigmoid has a weight for each class and one for the background."""
    heads = (cfg.model.get('roi_head') or {}).get('bbox_head')
    for key, head in keyed('model.roi_head.bbox_head', heads):
        loss, classes = head.get('loss_cls') or {}, head.get('num_classes')
        weights = loss.get('class_weight')
        if not isinstance(weights, list | tuple) or loss.get('use_sigmoid') or not classes:
            continue
        if len(weights) != classes + 1:
            yield stop(
                f'{key}.loss_cls.class_weight has {len(weights)} numbers, but needs {classes + 1}: '
                f'one for each of the {classes} classes, and the last for the background'
            )


def check_masks_are_loaded(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """A model with a mask head is given masks; one without is not evaluated by masks."""
    heads = cfg.model.get('roi_head') or {}
    has_head = bool(heads.get('mask_head'))
    is_train = dataset.phase == 'train' and dataset.is_labelled
    if is_train and has_head and not needs_masks(dataset):
        yield stop(
            f'model.roi_head has a mask_head, but {dataset.key}.pipeline loads no masks: write '
            "dict(type='LoadAnnotations', with_bbox=True, with_mask=True)"
        )
    for key, evaluator in evaluators_of(cfg, dataset.phase):
        if heads and not has_head and 'segm' in as_list(evaluator.get('metric')):
            yield stop(f"{key}.metric has 'segm', but model.roi_head has no mask_head")


def check_data(cfg: Config, dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """What is wrong with a file."""
    yield from check_entries(file)
    yield from check_boxes(file, needed=True)
    if not dataset.is_labelled and not len(file):
        return
    yield from check_areas(file, 'mmdet reads')
    yield from check_file_classes(dataset, file)
    yield from check_crowds(file)
    yield from check_segmentations(file)
    yield from check_samples(dataset, file)


def check_file_classes(dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """The classes are the file's categories, in its order: mmdet numbers them as the file does."""
    classes = dataset.classes
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
            f'{file.path} has no category {name!r}, which {dataset.key}.metainfo.classes names'
            f'{nearest(name, theirs)} The file has {few(theirs, 12)}: classes are numbered as '
            'the file lists them, so a class that is missing shifts all behind it'
        )
        return
    order = [name for name in theirs if name in classes]
    if order != list(classes):
        yield stop(
            f'{file.path} lists the categories {few(order, 12)}, but '
            f'{dataset.key}.metainfo.classes is {few(classes, 12)}: mmdet numbers classes in the '
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
    """Not all annotations are crowds, which are not trained on."""
    crowds = file.crowds | file.ignored
    if len(file) and crowds.all():
        yield stop(
            f'{file.path}: all {len(file)} annotations have iscrowd=1 (or ignore), which are not '
            'trained on: crowds are left out. Write iscrowd=0; masks in run lengths may have it'
        )
    elif crowds.any():
        yield note(f'{file.path}: {crowds.sum()} of {len(file)} annotations are of crowds')


def check_segmentations(file: CocoFile) -> Iterator[Finding]:
    """Where masks are trained on, each annotation has one, of the size of its image."""
    single = len(file) - file.crowds.sum()
    missing = len(file.faults.get('segmentation', {}))
    level = stop if missing > MOST * single else warn
    yield from check_faults(file, 'segmentation', level, '; it is not trained on')
    astray = len(file.faults.get('place', {}))
    yield from check_faults(file, 'place', stop if astray > MOST * single > 1 else warn)
    yield from check_run_lengths(file)


def used_images(dataset: Dataset, file: CocoFile) -> list[int]:
    """The numbers of the images that are read, after the dataset's own filter."""
    keep = np.ones(len(file.names), bool)
    filtering = dataset.cfg.get('filter_cfg') or {}
    if not dataset.cfg.get('test_mode'):
        with np.errstate(invalid='ignore'):
            keep &= file.sizes.min(axis=1) >= filtering.get('min_size', 0)
        if filtering.get('filter_empty_gt'):
            used = {
                category.get('id')
                for category in file.categories
                if isinstance(category, dict) and category.get('name') in dataset.classes
            }
            of_class = np.array([category in used for category in file.categories_of], bool)
            has_object = np.zeros(len(file.names) + 1, bool)
            has_object[file.image_numbers[of_class]] = True
            keep &= has_object[:-1]
    return np.flatnonzero(keep).tolist()


def check_samples(dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """Images and objects are left after filtering."""
    if not used_images(dataset, file):
        yield stop(
            f'{file.path}: none of its {len(file.names)} images is left by '
            f'{dataset.key}.filter_cfg={dict(dataset.cfg.get("filter_cfg") or {})}: images with a '
            'side below min_size or without an object of the classes are left out'
        )
    fault = unusable(file, reasons_to_skip(file, with_keypoints=False))
    if fault is not None and not (len(file) and file.crowds.all()):
        yield stop(fault)
