"""Checks that an evaluator measures by the data that are predicted on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.coco_file import CocoFile, FieldsToRead, read_coco_file
from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check.coco import few
from hrnet_mm.check.findings import Finding, stop, warn
from hrnet_mm.check.sources import Source


def evaluators_of(cfg: Config, phase: str) -> list[tuple[str, Any]]:
    evaluators = cfg.get(f'{phase}_evaluator')
    parts = as_list(evaluators)
    many = isinstance(evaluators, list | tuple)
    return [
        (f'{phase}_evaluator[{number}]' if many else f'{phase}_evaluator', part)
        for number, part in enumerate(parts)
        if isinstance(part, dict) and part.get('type')
    ]


def is_coco(cfg: Config, phase: str) -> bool:
    """Whether COCO's AP is computed on a phase's data."""
    return any(name_of(part) == 'CocoMetric' for _, part in evaluators_of(cfg, phase))


def check_file(cfg: Config, source: Source, file: CocoFile) -> Iterator[Finding]:
    """An evaluator reads the annotation file of the dataset, or the same annotations."""
    phases = [source.phase]
    if source.phase == 'val' and is_test_too(cfg):
        phases.append('test')
    for key, evaluator in (found for phase in phases for found in evaluators_of(cfg, phase)):
        path = evaluator.get('ann_file')
        if not path or not os.path.isfile(path) or os.path.samefile(path, file.path):
            if name_of(evaluator) == 'CocoMetric' and 0 in file.ids and source.phase != 'train':
                yield zero_id(file, source)
            continue
        theirs = read_coco_file(Path(path), FieldsToRead(('keypoints',)))
        absent = set(map(str, file.image_ids)) - set(map(str, theirs.image_ids))
        if absent:
            yield stop(
                f'{key}.ann_file is {path}, which lacks the image {few(absent, 1)} of {file.path} '
                f'({source.key}.ann_file): write the same file in both'
            )
        elif (
            theirs.ids != file.ids
            or theirs.names != file.names
            or theirs.images_of != file.images_of
        ):
            yield warn(
                f'{key}.ann_file is {path}, which has other images or annotations than {file.path} '
                f'({source.key}.ann_file): write the same file in both'
            )


def is_test_too(cfg: Config) -> bool:
    """Whether the test data are the validation data."""
    val, test = cfg.get('val_dataloader') or {}, cfg.get('test_dataloader') or {}
    return val.get('dataset') == test.get('dataset')


def zero_id(file: CocoFile, source: Source) -> Finding:
    return warn(
        f'{file.path}: an annotation has the id 0, which the COCO evaluation takes for "not '
        'matched", so that its AP is a little too low: number them from 1'
    ).at(f'{source.key}.ann_file')
