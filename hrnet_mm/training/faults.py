"""Errors that the data of a run cause, told as what is wrong with which file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from hrnet_mm.base.annotations import no_class_of
from hrnet_mm.base.coco_file import FieldsToRead, read_coco_file, reasons_to_skip, unusable
from hrnet_mm.base.config import class_of, datasets_of, join_root
from hrnet_mm.base.errors import UserError

IN_WORKER = 'in DataLoader worker process'
NO_SAMPLE = 'need at least one array to concatenate'  # what a dataset without samples says
NOT_COCO = 'annotation file format'  # what pycocotools says


def explanation(
    error: Exception, cfg: Config, phases: tuple[str, ...], has_begun: bool
) -> str | None:
    """A sentence on the data of a run that stands in the place of its error; None: the error stays.

    Args:
        error: what has ended the run.
        cfg: the config.
        phases: those whose datasets the run reads, for example ``('train', 'val')``.
        has_begun: whether the first iteration is done, so that the datasets are not at fault.
    """
    if isinstance(error, UserError):
        # Of an error in a worker, torch gives the whole traceback as the message.
        in_worker = IN_WORKER in str(error)
        return str(error).rstrip().splitlines()[-1].partition(': ')[2] if in_worker else None
    return None if has_begun else dataset_fault(cfg, phases, str(error))


def dataset_fault(cfg: Config, phases: tuple[str, ...], message: str) -> str | None:
    """Why a dataset of the phases cannot be built, as far as its files say.

    Args:
        cfg: the config.
        phases: those whose datasets the run reads.
        message: the message of the error that was raised when they were built.
    """
    described = []
    for phase in phases:
        for dataset in datasets_of(cfg.get(f'{phase}_dataloader')):
            kind, file = str(dataset.get('type')), dataset.get('ann_file') or ''
            path = Path(join_root(dataset.get('data_root') or '', file))
            if path.suffix == '.json' and ('Coco' in kind or NOT_COCO in message):
                scope = cfg.get('default_scope')
                classes = classes_of(dataset, scope) if message == NO_SAMPLE else ()
                fault = annotation_fault(path, 'data_mode' in dataset, classes)
                if fault is not None:
                    return f'{fault} ({phase}_dataloader.dataset.ann_file in the config)'
            named = ('data_root', 'ann_file', 'data_prefix', 'img_suffix')
            values = ', '.join(f'{key}={dataset[key]!r}' for key in named if dataset.get(key))
            described.append(f'{kind} with {values}')
    if message == NO_SAMPLE:
        return f'a dataset has no sample; the config has {"; ".join(described)}'
    return None


def annotation_fault(path: Path, with_keypoints: bool, classes: Sequence[str]) -> str | None:
    """Why a file has nothing to train on or to evaluate; None if it has something.

    Args:
        path: the annotation file.
        with_keypoints: whether people without keypoints are left out.
        classes: names of which the file's categories need one; none: any categories will do.
    """
    try:
        file = read_coco_file(path, FieldsToRead(('keypoints',) if with_keypoints else ()))
    except UserError as error:
        return str(error)
    names = [str(entry.get('name')) for entry in file.categories if isinstance(entry, dict)]
    fault = unusable(file, reasons_to_skip(file, with_keypoints))
    return fault or no_class_of(path, names, classes)


def classes_of(dataset: Mapping[str, Any], scope: str | None) -> Sequence[str]:
    """The names of the classes that a dataset's config gives or, without those, its class."""
    kind = class_of(DATASETS, dataset['type'], scope)
    known = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    classes = known.get('classes', ())
    return [classes] if isinstance(classes, str) else classes
