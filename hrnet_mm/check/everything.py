"""All checks of a config: of the run, of each dataset and its files, and of datasets together."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.base.config import name_of
from hrnet_mm.base.errors import UserError, sentence_of
from hrnet_mm.check import (
    channels,
    classification,
    detection,
    evaluators,
    images,
    label_maps,
    network,
    person_boxes,
    pipelines,
    pose,
    pose_network,
    run,
    schedules,
    segmentation,
)
from hrnet_mm.check.findings import Finding, note, stop, warn
from hrnet_mm.check.sources import Source, sources_of

CONFIG_CHECKS = dict(
    pose=pose_network.check_config,
    detection=detection.check_config,
    segmentation=segmentation.check_config,
    classification=classification.check_config,
)
# The folders that a host's class cannot do without.
PREFIXES = dict(
    pose=('img',),
    detection=('img',),
    segmentation=('img_path', 'seg_map_path'),
    classification=('img_path',),
)
READERS = dict(
    pose=pose.read,
    detection=detection.read,
    segmentation=label_maps.read_label_maps,
    classification=classification.read,
)
DATA_CHECKS = dict(
    pose=pose.check_data,
    detection=detection.check_data,
    segmentation=segmentation.check_data,
    classification=classification.check_data,
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
    findings, sources = check_config(cfg, phases)
    yield from findings
    if 'train' in phases:
        yield from run.check_weights(cfg)
    contents = []
    for source in sources:
        content = yield from check_files(cfg, source)
        if content is not None:
            contents.append((source, content))
    yield from check_together(cfg, contents)


def check_config(cfg: Config, phases: Sequence[str]) -> tuple[list[Finding], list[Source]]:
    """What needs no data, and the datasets that are known."""
    findings = [
        *run.check_config(cfg),
        *network.check_custom_keys(cfg),
        *channels.check_channels(cfg),
    ]
    sources = []
    for phase in phases:
        for found in sources_of(cfg, phase):
            (sources if isinstance(found, Source) else findings).append(found)
    for source in sources:
        findings += pipelines.check_source(source)
    for task, checks in CONFIG_CHECKS.items():
        of_task = [source for source in sources if source.reader.task == task]
        if of_task and cfg.get('model'):
            findings += checks(cfg, of_task)
    return findings, sources


def check_files(cfg: Config, source: Source) -> Generator[Finding, None, Any]:
    """The checks of one dataset's files; returns what was read of them."""
    place = f'{source.key}.ann_file' if source.dataset.ann_file else f'{source.key}.data_prefix'
    if not source.is_local:
        yield note(f'{source.key}: its data are not on this machine, and are left alone')
        return None
    fault = prefix_fault(source)
    if fault is not None:
        yield stop(fault)
        return None
    try:
        content = READERS[source.reader.task](source)
        for finding in chain(
            DATA_CHECKS[source.reader.task](cfg, source, content), check_images(source, content)
        ):
            yield finding.at(place)
        yield from check_boxes(source, content)
    except UserError as error:
        yield stop(str(error)).at(place)
        return None
    except Exception as error:  # data so odd that a check fails must not keep from training
        text = f'{source.key} cannot be checked to the end: {sentence_of(error)}'
        yield warn(f'{text} ({type(error).__name__})').at(place)
        return None
    return content


def prefix_fault(source: Source) -> str | None:
    """Say so if the folders of a dataset are under keys that nothing reads."""
    prefixes = source.cfg.get('data_prefix')
    wanted = PREFIXES[source.reader.task]
    if source.reader.task == 'segmentation' and not source.is_labelled:
        wanted = ('img_path',)
    if not isinstance(prefixes, Mapping) or set(wanted) <= set(prefixes):
        return None
    return (
        f'{source.key}.data_prefix has the keys {", ".join(map(repr, prefixes))}; '
        f'{type(source.dataset).__name__} reads {", ".join(map(repr, wanted))}'
    )


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


def check_images(source: Source, content: Any) -> Iterator[Finding]:
    """The images themselves, and those that an annotation file lists."""
    paths = image_paths(source, content)
    if not isinstance(content, CocoFile):
        yield from images.check_readable(paths)
        return
    used = used_images(source, content)
    listed = [paths[number] for number in used]
    yield from images.check_presence(listed, str(content.path))
    absent = set(images.missing_files(listed))
    used = [number for place, number in enumerate(used) if place not in absent]
    there = [paths[number] for number in used]
    yield from images.check_readable(there)
    ids = [content.image_ids[number] for number in used]
    yield from images.check_written_sizes(there, content.sizes[used], ids, content.path)


def check_boxes(source: Source, file: Any) -> Iterator[Finding]:
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
    """An epoch has a batch, and a warm-up fewer iterations than the training."""
    loader: Mapping[str, Any] = cfg.get('train_dataloader') or {}
    batch = loader.get('batch_size')
    sampler = loader.get('sampler')
    is_endless = isinstance(sampler, Mapping) and name_of(sampler) == 'InfiniteSampler'
    wraps = 'dataset' in loader.get('dataset', {}) or 'datasets' in loader.get('dataset', {})
    if not isinstance(batch, int) or batch < 1 or not train or is_endless or wraps:
        return
    key = train[0][0].key
    samples = sum(number_of_samples(source, content) for source, content in train)
    yield from schedules.check_warmup(cfg, -(-samples // batch))
    if samples < batch and loader.get('drop_last'):
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
