"""Errors of the data, told as what is wrong with which file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from hrnet_mm.base.coco_file import Wanted, read_coco_file, reasons_to_skip, unusable
from hrnet_mm.base.config import datasets_of, join_root
from hrnet_mm.base.errors import UserError

IN_WORKER = 'in DataLoader worker process'
NOTHING_TO_READ = 'need at least one array to concatenate'  # what a dataset with no sample says
NOT_COCO = 'annotation file format'  # what pycocotools says


@contextmanager
def data_faults_told(
    cfg: Config, phases: tuple[str, ...], has_started: Callable[[], bool]
) -> Iterator[None]:
    """Turn the error of a run into a sentence on the data where these are the cause.

    Raises:
        UserError: in place of an error that the data explain.
    """
    try:
        yield
    except UserError as error:
        if IN_WORKER not in str(error):
            raise
        # torch gives the worker's whole traceback as the message.
        raise UserError(str(error).rstrip().splitlines()[-1].partition(': ')[2]) from error
    except Exception as error:
        fault = None if has_started() else dataset_fault(cfg, phases, str(error))
        if fault is None:
            raise
        raise UserError(fault) from error


def dataset_fault(cfg: Config, phases: tuple[str, ...], message: str) -> str | None:
    """Why a dataset of the phases cannot be built, as far as their files tell."""
    described = []
    for phase in phases:
        for dataset in datasets_of(cfg.get(f'{phase}_dataloader')):
            kind, file = str(dataset.get('type')), dataset.get('ann_file') or ''
            path = Path(join_root(dataset.get('data_root') or '', file))
            if path.suffix == '.json' and ('Coco' in kind or NOT_COCO in message):
                fault = annotation_fault(path, with_keypoints='data_mode' in dataset)
                if fault is None and message == NOTHING_TO_READ:
                    fault = classes_fault(path, classes_of(dataset, cfg.get('default_scope')))
                if fault is not None:
                    return f'{fault} ({phase}_dataloader.dataset.ann_file in the config)'
            named = ('data_root', 'ann_file', 'data_prefix', 'img_suffix')
            values = ', '.join(f'{key}={dataset[key]!r}' for key in named if dataset.get(key))
            described.append(f'{kind} with {values}')
    if message == NOTHING_TO_READ:
        return f'a dataset has no sample; the config has {"; ".join(described)}'
    return None


def annotation_fault(path: Path, with_keypoints: bool) -> str | None:
    """Why there is nothing to train on or to evaluate in a file; None if there is something."""
    try:
        file = read_coco_file(path, Wanted(('keypoints',) if with_keypoints else ()))
    except UserError as error:
        return str(error)
    return unusable(file, reasons_to_skip(file, with_keypoints))


def classes_of(dataset: Mapping[str, Any], scope: str | None) -> Sequence[str]:
    """The names of the classes that a dataset's config gives, or else its class."""
    kind = dataset['type']
    if isinstance(kind, str):
        kind = DATASETS.get(kind if '.' in kind or scope is None else f'{scope}.{kind}')
    known = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    classes = known.get('classes', ())
    return [classes] if isinstance(classes, str) else classes


def classes_fault(path: Path, classes: Sequence[str]) -> str | None:
    """Say so if an annotation file has categories, and none of the config's classes."""
    categories = read_coco_file(path, Wanted(('keypoints',))).categories
    return no_class_of(path, [str(category.get('name')) for category in categories], classes)


def no_class_of(path: Path, names: Sequence[str], classes: Sequence[str]) -> str | None:
    """The same, of the names of the file's categories."""
    if not classes or not names or set(classes) & set(names):
        return None
    return (
        f"{path} has none of the config's classes: the file has {few(names)}, "
        f'the config {few(classes)}'
    )


def few(names: Sequence[str], shown: int = 5) -> str:
    more = f', ... ({len(names)})' if len(names) > shown else ''
    return ', '.join(map(repr, names[:shown])) + more
