"""All checks of a config: of the run, of each dataset and its files, and of datasets together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.base.config import RANKS, check_paths, name_of
from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.check import (
    classification,
    detection,
    evaluation,
    images,
    network,
    pose,
    run,
    schedules,
    segmentation,
)
from hrnet_mm.check.datasets import (
    Dataset,
    data_are_elsewhere,
    datasets_of,
    has_local_files,
    test_reads_validation,
)
from hrnet_mm.check.findings import Finding, stop, warn

# Each task is a module with FOLDERS, check_config, read and check_data; where what it reads is a
# CocoFile, with used_images too.
TASKS = dict(
    pose=pose,
    detection=detection,
    segmentation=segmentation,
    classification=classification,
)


def make_sure(
    cfg: Config, say: Callable[[str], object], phases: Sequence[str] | None = None
) -> list[Finding]:
    """Check a config and its data; say what is doubtful and what was counted.

    Args:
        cfg: the config of any host.
        say: takes a line of text for each warning and note.
        phases: as for :func:`check`.

    Raises:
        UserError: something is surely wrong, or data are not there.
    """
    phases = phases_of(cfg) if phases is None else phases
    check_paths(cfg, tuple(phases))
    findings = check(cfg, phases)
    for level in ('note', 'warning'):
        for finding in findings:
            if finding.level == level:
                say(f'{level}: {finding.text}')
    stops = [finding.text for finding in findings if finding.level == 'stop']
    if stops:
        raise UserError('\n       '.join(stops))
    return findings


def say(line: str) -> None:
    """Print a line, once however many processes train."""
    rank = next((os.environ[name] for name in RANKS.values() if name in os.environ), '0')
    if rank == '0':
        print(line, file=sys.stderr, flush=True)


def check(cfg: Config, phases: Sequence[str] | None = None) -> list[Finding]:
    """Check a config and the data that it names.

    Args:
        cfg: the config of any host.
        phases: of ``train``, ``val`` and ``test``; all that the config has if not given.

    Returns:
        What was found, the same thing once.
    """
    return list(dict.fromkeys(findings_of(cfg, phases_of(cfg) if phases is None else phases)))


def phases_of(cfg: Config) -> list[str]:
    """The phases that have data; test only where it reads other data than validation."""
    phases = [phase for phase in ('train', 'val') if cfg.get(f'{phase}_dataloader')]
    if cfg.get('test_dataloader') and not test_reads_validation(cfg):
        phases.append('test')
    return phases


def findings_of(cfg: Config, phases: Sequence[str]) -> Iterator[Finding]:
    findings, datasets = check_config(cfg, phases)
    yield from findings
    if 'train' in phases:
        yield from run.check_weights(cfg)
    contents = []
    for dataset in datasets:
        content = yield from check_files(cfg, dataset)
        if content is not None:
            contents.append((dataset, content))
    yield from check_together(cfg, contents)


def check_config(cfg: Config, phases: Sequence[str]) -> tuple[list[Finding], list[Dataset]]:
    """What needs no data, and the datasets that are known."""
    findings = [
        finding
        for module in (schedules, evaluation, run, network)
        for finding in module.check_config(cfg)
    ]
    datasets = []
    for phase in phases:
        for found in datasets_of(cfg, phase):
            (datasets if isinstance(found, Dataset) else findings).append(found)
    for dataset in datasets:
        findings += evaluation.check_samples_are_whole(dataset)
    for name, task in TASKS.items():
        of_task = [dataset for dataset in datasets if dataset.reader.task == name]
        if of_task and cfg.get('model'):
            findings += task.check_config(cfg, of_task)
    return findings, datasets


def check_files(cfg: Config, dataset: Dataset) -> Generator[Finding, None, Any]:
    """The checks of one dataset's files; returns what was read of them."""
    key, task = dataset.key, TASKS[dataset.reader.task]
    place = f'{key}.ann_file' if dataset.built.ann_file else f'{key}.data_prefix'
    if not has_local_files(dataset.cfg):
        yield data_are_elsewhere(key)
        return None
    fault = folders_fault(dataset, task.FOLDERS)
    if fault is not None:
        yield stop(fault)
        return None
    try:
        content = task.read(dataset)
        found = chain(task.check_data(cfg, dataset, content), check_images(dataset, content))
        yield from (finding.at(place) for finding in found)
        if task is pose:
            yield from pose.check_bbox_file(dataset, content)
    except UserError as error:
        yield stop(str(error)).at(place)
        return None
    except Exception as error:  # data so odd that a check fails must not keep from training
        text = f'{key} cannot be checked to the end: {sentence_of(error)}'
        yield warn(f'{text} ({type(error).__name__})').at(place)
        return None
    return content


def folders_fault(dataset: Dataset, needed: Sequence[str]) -> str | None:
    """Say so if the folders of a dataset are under keys that nothing reads."""
    prefixes = dataset.cfg.get('data_prefix')
    if not dataset.is_labelled:
        needed = needed[:1]  # the folder of the images
    if not isinstance(prefixes, Mapping) or set(needed) <= set(prefixes):
        return None
    return (
        f'{dataset.key}.data_prefix has the keys {", ".join(map(repr, prefixes))}; '
        f'{type(dataset.built).__name__} reads {", ".join(map(repr, needed))}'
    )


def image_paths(dataset: Dataset, content: Any) -> list[str]:
    """The images of a dataset."""
    if isinstance(content, CocoFile):
        prefix = dataset.built.data_prefix.get('img') or ''
        return [os.path.join(prefix, str(name)) for name in content.names]
    return content.image_paths


def check_images(dataset: Dataset, content: Any) -> Iterator[Finding]:
    """The images themselves, and those that an annotation file lists."""
    paths = image_paths(dataset, content)
    if not isinstance(content, CocoFile):
        yield from images.check_readable(paths)
        return
    used = TASKS[dataset.reader.task].used_images(dataset, content)
    listed = [paths[number] for number in used]
    missing = images.missing_files(listed)
    yield from images.check_presence(listed, missing, content.path)
    absent = set(missing)
    used = [number for place, number in enumerate(used) if place not in absent]
    there = [paths[number] for number in used]
    yield from images.check_readable(there)
    ids = [content.image_ids[number] for number in used]
    yield from images.check_written_sizes(there, content.sizes[used], ids, content.path)


def check_together(cfg: Config, contents: list[tuple[Dataset, Any]]) -> Iterator[Finding]:
    """Datasets beside each other, and beside loaders and evaluators."""
    for dataset, content in contents:
        if isinstance(content, CocoFile):
            yield from evaluation.check_same_file(cfg, dataset, content)
    train = [(dataset, content) for dataset, content in contents if dataset.phase == 'train']
    for dataset, content in contents:
        for other, theirs in train if dataset.phase != 'train' else ():
            paths, trained = image_paths(dataset, content), image_paths(other, theirs)
            yield from images.check_overlap(trained, paths, other.key, dataset.key)
            if dataset.reader.task == other.reader.task == 'classification':
                yield from classification.check_same_folders((other, theirs), (dataset, content))
    yield from check_batches(cfg, train)


def check_batches(cfg: Config, train: list[tuple[Dataset, Any]]) -> Iterator[Finding]:
    """An epoch has a batch, and a warm-up fewer iterations than the training."""
    loader: Mapping[str, Any] = cfg.get('train_dataloader') or {}
    batch = loader.get('batch_size')
    sampler = loader.get('sampler')
    is_endless = isinstance(sampler, Mapping) and name_of(sampler) == 'InfiniteSampler'
    wraps = 'dataset' in loader.get('dataset', {}) or 'datasets' in loader.get('dataset', {})
    if not isinstance(batch, int) or batch < 1 or not train or is_endless or wraps:
        return
    key = train[0][0].key
    samples = sum(number_of_samples(dataset, content) for dataset, content in train)
    yield from schedules.check_warmup(cfg, -(-samples // batch))
    if samples < batch and loader.get('drop_last'):
        yield stop(
            f'train_dataloader.batch_size is {batch} and drop_last is True, but {key} has '
            f'{samples} samples: nothing is trained on; write a batch_size of at most {samples}'
        )


def number_of_samples(dataset: Dataset, content: Any) -> int:
    """How many samples an epoch has: images, or people where one is cut out at a time."""
    if not isinstance(content, CocoFile):
        return len(content.image_paths)
    if dataset.reader.task == 'pose' and dataset.cfg.get('data_mode', 'topdown') == 'topdown':
        return int((pose.reasons_of(dataset, content) == '').sum())
    return len(TASKS[dataset.reader.task].used_images(dataset, content))
