"""All checks of a config: of the run, of each dataset and its files, and of datasets together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.check import (
    classification,
    detection,
    evaluators,
    images,
    person_boxes,
    pose,
    pose_network,
    run,
    segmentation,
)
from hrnet_mm.check.findings import Finding, stop
from hrnet_mm.check.sources import Source, sources_of
from hrnet_mm.cli import UserError
from hrnet_mm.engine.coco_file import CocoFile
from hrnet_mm.engine.config import name_of

CONFIG_CHECKS = dict(
    pose=pose_network.check_config,
    detection=detection.check_config,
    segmentation=segmentation.check_config,
    classification=classification.check_config,
)
DATA = dict(
    pose=pose, detection=detection, segmentation=segmentation, classification=classification
)


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
    test = cfg.get('test_dataloader')
    if test and test.get('dataset') != (cfg.get('val_dataloader') or {}).get('dataset'):
        phases.append('test')
    return phases


def findings_of(cfg: Config, phases: Sequence[str]) -> Iterator[Finding]:
    yield from run.check_config(cfg)
    sources = []
    for phase in phases:
        for found in sources_of(cfg, phase):
            if isinstance(found, Source):
                sources.append(found)
            else:
                yield found
    for task, checks in CONFIG_CHECKS.items():
        of_task = [source for source in sources if source.reader.task == task]
        if of_task and cfg.get('model'):
            yield from checks(cfg, of_task)
    contents = []
    for source in sources:
        content = yield from check_files(cfg, source)
        if content is not None:
            contents.append((source, content))
    yield from check_together(cfg, contents)


def check_files(cfg: Config, source: Source) -> Iterator[Finding]:
    """The checks of one dataset's files; returns what was read of them."""
    place = f'{source.key}.ann_file' if source.dataset.ann_file else f'{source.key}.data_prefix'
    checks = DATA[source.reader.task]
    try:
        content = checks.read(source)
    except UserError as error:
        yield stop(str(error)).at(place)
        return None
    is_scored = evaluators.is_coco(cfg, source.phase)
    for finding in checks.check_data(source, content, is_scored):
        yield finding.at(place)
    if isinstance(content, CocoFile):
        for finding in check_images(source, content):
            yield finding.at(place)
        yield from check_boxes(source, content)
    else:
        for finding in images.check_readable(content.image_paths):
            yield finding.at(place)
    return content


def image_paths(source: Source, content: Any) -> list[str]:
    """The images of a dataset."""
    if isinstance(content, CocoFile):
        prefix = source.dataset.data_prefix.get('img') or ''
        return [os.path.join(prefix, str(name)) for name in content.names]
    return content.image_paths


def used_images(source: Source, file: CocoFile) -> list[int]:
    """Which images of an annotation file are read."""
    if source.reader.task == 'detection':
        keep = detection.samples(source, file)
        return [number for number in range(len(file.names)) if keep[number]]
    if source.cfg.get('data_mode') == 'bottomup' and source.cfg.get('test_mode'):
        return list(range(len(file.names)))
    people = file.image_numbers[pose.reasons_of(source, file) == '']
    return sorted(set(people.tolist()))


def check_images(source: Source, file: CocoFile) -> Iterator[Finding]:
    """The images that an annotation file lists."""
    used = used_images(source, file)
    paths = image_paths(source, file)
    paths = [paths[number] for number in used]
    absent = set(images.missing_files(paths))
    yield from images.check_presence(paths, str(file.path))
    there = [number for number in range(len(paths)) if number not in absent]
    paths = [paths[number] for number in there]
    used = [used[number] for number in there]
    yield from images.check_readable(paths)
    ids = [file.image_ids[number] for number in used]
    yield from images.check_written_sizes(paths, file.sizes[used], ids, file.path)


def check_boxes(source: Source, file: CocoFile) -> Iterator[Finding]:
    """The file of detected people, where there is one."""
    path = source.cfg.get('bbox_file')
    if source.reader.task == 'pose' and path and Path(path).is_file():
        for finding in person_boxes.check_box_file(Path(path), file):
            yield finding.at(f'{source.key}.bbox_file')


def check_together(cfg: Config, contents: list[tuple[Source, Any]]) -> Iterator[Finding]:
    """Datasets beside each other, and beside loaders and evaluators."""
    of_phase: dict[str, list[tuple[Source, Any]]] = {}
    for source, content in contents:
        of_phase.setdefault(source.phase, []).append((source, content))
        if isinstance(content, CocoFile):
            yield from evaluators.check_file(cfg, source, content)
    train = of_phase.get('train', [])
    for phase in ('val', 'test'):
        for source, content in of_phase.get(phase, []):
            for other, theirs in train:
                yield from images.check_overlap(
                    image_paths(other, theirs), image_paths(source, content), other.key, source.key
                )
                if source.reader.task == other.reader.task == 'classification':
                    yield from classification.check_same_folders((other, theirs), (source, content))
    yield from check_batches(cfg, train)


def check_batches(cfg: Config, train: list[tuple[Source, Any]]) -> Iterator[Finding]:
    """An epoch has a batch."""
    loader: Mapping[str, Any] = cfg.get('train_dataloader') or {}
    batch = loader.get('batch_size')
    sampler = loader.get('sampler')
    is_endless = isinstance(sampler, Mapping) and name_of(sampler) == 'InfiniteSampler'
    if not loader.get('drop_last') or not isinstance(batch, int) or not train or is_endless:
        return
    key, wraps = train[0][0].key, train[0][0].key != 'train_dataloader.dataset'
    samples = sum(number_of_samples(source, content) for source, content in train)
    if samples < batch and not wraps:
        yield stop(
            f'train_dataloader.batch_size is {batch} and drop_last is True, but {key} has '
            f'{samples} samples: nothing is trained on; write a batch_size of at most {samples}'
        )


def number_of_samples(source: Source, content: Any) -> int:
    if not isinstance(content, CocoFile):
        return len(content.image_paths)
    if source.reader.task == 'pose' and source.cfg.get('data_mode', 'topdown') == 'topdown':
        return int((pose.reasons_of(source, content) == '').sum())
    return len(used_images(source, content))
