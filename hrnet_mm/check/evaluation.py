"""Checks of evaluation: its data are whole, and the metrics that hooks watch are measured."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.coco_file import CocoFile, FieldsToRead, read_coco_file
from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check.datasets import Dataset, test_reads_validation
from hrnet_mm.check.findings import Finding, few_sorted, keyed, stop, warn

AUGMENTATIONS = ('Albumentations', 'Albu', 'AutoAugment', 'ColorJitter', 'CutOut', 'MixUp')
AUGMENTATIONS += ('Mosaic', 'PhotoMetricDistortion', 'PhotometricDistortion', 'RandAugment')
WITH_TEST_MODE = ('pose', 'detection')  # whose hosts leave images out in training
# What a host's class calls its metrics, without a prefix: a pattern, and one of them.
METRICS = dict(
    Accuracy=(r'top\d.*', 'top1'),
    AUC=('AUC', 'AUC'),
    CocoWholeBodyMetric=(r'A[PR]( \.5| \.75| ?\([EMLH]\))?', 'AP'),
    EPE=('EPE', 'EPE'),
    IoUMetric=(r'[am](Acc|IoU|Dice|Fscore|Precision|Recall)', 'mIoU'),
    JhmdbPCKAccuracy=(r'(.* )?t?PCK', 'PCK'),
    MpiiPCKAccuracy=(r'(.* )?PCK(@0.1)?', 'PCK'),
    NME=('NME', 'NME'),
    PoseTrack18Metric=(r'(Head |Shou |Elb |Wri |Hip |Knee |Ankl )?AP', 'AP'),
)
PREFIXES = dict(
    Accuracy='accuracy',
    CocoMetric='coco',
    CocoWholeBodyMetric='coco-wholebody',
    PoseTrack18Metric='posetrack18',
)
PCK_NAMES = dict(bbox='PCK', head='PCKh', torso='tPCK')  # by what it is normalised with
ERRORS = ('EPE', 'NME')  # the less, the better


def check_config(cfg: Config) -> Iterator[Finding]:
    yield from check_best(cfg)
    yield from check_early_stopping(cfg)


def evaluators_of(cfg: Config, phase: str) -> list[tuple[str, Any]]:
    """Each evaluator of a phase and its key, e.g. ``val_evaluator[0]``."""
    found = keyed(f'{phase}_evaluator', cfg.get(f'{phase}_evaluator'))
    return [(key, part) for key, part in found if isinstance(part, dict) and part.get('type')]


def check_samples_are_whole(dataset: Dataset) -> Iterator[Finding]:
    """All samples are read; for evaluation, in order and as they are."""
    indices = dataset.cfg.get('indices')
    if indices is not None:
        shown = indices if isinstance(indices, int) else f'a list of {len(indices)}'
        yield warn(
            f'{dataset.key}.indices is {shown}: no other samples are read; remove it after a trial'
        )
    if dataset.phase == 'train':
        return
    is_wrapped = dataset.key != f'{dataset.phase}_dataloader.dataset'  # the wrapper has the mode
    needs_mode = dataset.reader.task in WITH_TEST_MODE and not is_wrapped
    if needs_mode and not dataset.cfg.get('test_mode'):
        yield warn(
            f'{dataset.key}.test_mode is not True: samples are left out or exchanged as in '
            'training; write test_mode=True'
        )
    for key, transform in keyed(f'{dataset.key}.pipeline', dataset.cfg.get('pipeline')):
        name = name_of(transform)
        is_random = name.startswith('Random') or name in AUGMENTATIONS
        # Some make a fixed change in a mode of their own, e.g. RandomCenterCropPad.
        if is_random and transform.get('prob') != 0 and not transform.get('test_mode'):
            yield warn(
                f'{key} is a {name}, which changes images at random: each evaluation is of other '
                'images; remove it'
            )


def keypoints_of_file(dataset: Dataset) -> int:
    """The number of keypoints that a file for this dataset has; 0 where it is not known."""
    transforms = [name_of(part) for _, part in keyed('pipeline', dataset.cfg.get('pipeline'))]
    if dataset.reader.task != 'pose' or 'KeypointConverter' in transforms:
        return 0
    if dataset.reader.name == 'CocoWholeBodyDataset':  # whose parts are several lists
        return 0
    return dataset.built.metainfo['num_keypoints']


def check_same_file(cfg: Config, dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """An evaluator reads the annotation file of the dataset, or the same annotations."""
    phases = [dataset.phase]
    if dataset.phase == 'val' and test_reads_validation(cfg):
        phases.append('test')
    for key, evaluator in (found for phase in phases for found in evaluators_of(cfg, phase)):
        path = evaluator.get('ann_file')
        if not path or not os.path.isfile(path) or os.path.samefile(path, file.path):
            if name_of(evaluator) == 'CocoMetric' and 0 in file.ids and dataset.phase != 'train':
                yield warn(
                    f'{file.path}: an annotation has the id 0, which the COCO evaluation takes for '
                    '"not matched", so that its AP is a little too low: number them from 1'
                ).at(f'{dataset.key}.ann_file')
            continue
        number = keypoints_of_file(dataset)
        theirs = read_coco_file(Path(path), FieldsToRead(('keypoints',), number))
        absent = set(map(str, file.image_ids)) - set(map(str, theirs.image_ids))
        if absent:
            yield stop(
                f'{key}.ann_file is {path}, which lacks the image {few_sorted(absent, 1)} of '
                f'{file.path} ({dataset.key}.ann_file): write the same file in both'
            )
        elif faults := theirs.faults.get('keypoints'):
            first = min(faults)
            yield stop(
                f'{key}.ann_file is {path}, in which {theirs.name(first)} {faults[first]}; '
                f'{dataset.key}.ann_file is {file.path}: write the same file in both'
            )
        elif any(
            getattr(theirs, column) != getattr(file, column)
            for column in ('ids', 'names', 'images_of')
        ):
            yield warn(
                f'{key}.ann_file is {path}, which has other images or annotations than {file.path} '
                f'({dataset.key}.ann_file): write the same file in both'
            )


def measured(cfg: Config) -> list[tuple[str, str]]:
    """Patterns of the names of all metrics of validation, each with one of the names.

    There is none where one evaluator is not known.
    """
    found = []
    for _, part in evaluators_of(cfg, 'val'):
        known = names_measured(part, part.get('_scope_') or cfg.get('default_scope'))
        if known is None:
            return []
        prefix = part.get('prefix') or PREFIXES.get(name_of(part), '')
        prefix = f'{prefix}/' if prefix else ''
        found.append((f'{re.escape(prefix)}({known[0]})', prefix + known[1]))
    return found


def names_measured(part: Mapping[str, Any], scope: str | None) -> tuple[str, str] | None:
    """The pattern of the names of an evaluator's metrics, without prefix, and one of the names."""
    name = name_of(part)
    if name == 'PCKAccuracy':
        names = [PCK_NAMES.get(item, item) for item in as_list(part.get('norm_item', 'bbox'))]
        return '|'.join(names), names[0]
    if name == 'CocoMetric' and scope == 'mmpose':
        return METRICS['CocoWholeBodyMetric']
    if name == 'CocoMetric' and scope == 'mmdet':
        kinds = as_list(part.get('metric', 'bbox'))
        return rf'({"|".join(kinds)})_m?A[PR].*|AR.*@.*|.*_precision', f'{kinds[0]}_mAP'
    return METRICS.get(name)


def others_measured(metric: str, found: list[tuple[str, str]]) -> str | None:
    """What is measured where the metric is not: 'val_evaluator measures mIoU and the like'."""
    if any(re.fullmatch(pattern, metric) for pattern, _ in found):
        return None
    examples = ', '.join(example for _, example in found)
    return f'val_evaluator measures {examples} and the like'


def check_best(cfg: Config) -> Iterator[Finding]:
    """The metric that picks the best checkpoint is measured, and more of it is better."""
    place = 'default_hooks.checkpoint'
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    found = measured(cfg)
    bests = [best for best in as_list(hook.get('save_best')) if best and best != 'auto']
    rules = as_list(hook.get('rule')) or [None]  # the last is for all metrics without their own
    pairs = zip_longest(bests, rules[: len(bests)], fillvalue=rules[-1])
    for best, rule in pairs if found else ():
        others = others_measured(best, found)
        if others:
            yield stop(
                f'{place}.save_best is {best!r}, but {others}: the training ends at the first '
                'evaluation'
            )
        elif rule == ('greater' if best in ERRORS else 'less'):
            right = 'less' if best in ERRORS else 'greater'
            yield stop(
                f'{place}.rule is {rule!r}, by which the worst {best} is kept as the best: write '
                f'rule={right!r}'
            )


def check_early_stopping(cfg: Config) -> Iterator[Finding]:
    """The metric that ends a training is measured."""
    found = measured(cfg)
    for key, hook in keyed('custom_hooks', cfg.get('custom_hooks')):
        if name_of(hook) != 'EarlyStoppingHook' or not found:
            continue
        monitor = str(hook.get('monitor'))
        others = others_measured(monitor, found)
        if others:
            yield (stop if hook.get('strict') else warn)(
                f'{key}.monitor is {monitor!r}, but {others}: the training never stops early'
            )
